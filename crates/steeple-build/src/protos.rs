//! The protos of a site: found, named, compiled.
//!
//! Takes the site's root; gives the descriptor bytes as protox wrote them and the descriptors for generation.
//! Three kinds of include roots: the site's `proto/`, each app's `proto/`, and `src/apps` for a proto that lies elsewhere
//! in an app. All imports are looked up in all of them, and in the `google/protobuf` files that protox brings.
//! Must never: run protoc, or re-encode descriptors (custom options would be lost).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use prost_types::FileDescriptorSet;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use crate::{
    Problem,
    files::{entries, relative, walk},
};

/// Import name (`coins/v1/coins.proto`) to file.
pub(crate) struct Protos {
    root: PathBuf,
    files: BTreeMap<String, PathBuf>,
}

/// The protos, compiled.
pub(crate) struct Compiled {
    /// `FileDescriptorSet` bytes with imports and source info.
    pub descriptors: Vec<u8>,
    /// The same for generation; it has lost custom options.
    pub set: FileDescriptorSet,
}

impl Protos {
    /// Every proto of a site and its apps.
    pub fn of_site(root: &Path) -> Result<Self, Vec<Problem>> {
        let apps = root.join("src/apps");
        let mut found = vec![];
        named(&root.join("proto"), &root.join("proto"), &mut found);
        for app in entries(&apps).into_iter().filter(|path| path.is_dir()) {
            let own = app.join("proto");
            named(&own, &own, &mut found);
            let elsewhere = walk(&app, "proto").into_iter().filter(|file| !file.starts_with(&own));
            found.extend(elsewhere.map(|file| (relative(&apps, &file), file)));
        }
        Self::unique(root, found)
    }

    /// Every proto of one folder.
    pub fn of_folder(dir: &Path) -> Result<Self, Vec<Problem>> {
        let mut found = vec![];
        named(dir, dir, &mut found);
        Self::unique(dir, found)
    }

    fn unique(root: &Path, found: Vec<(String, PathBuf)>) -> Result<Self, Vec<Problem>> {
        let mut protos = Self { root: root.to_owned(), files: BTreeMap::new() };
        let mut problems = vec![];
        for (name, file) in found {
            if let Some(first) = protos.files.get(&name) {
                let first = relative(root, first);
                let message =
                    format!("has the same import name as {first} (`{name}`): move one into a folder of its own");
                problems.push(Problem::of(relative(root, &file), message));
            } else {
                protos.files.insert(name, file);
            }
        }
        if problems.is_empty() { Ok(protos) } else { Err(problems) }
    }

    /// The import names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Where the proto of this import name lies, seen from the site's root.
    pub fn place(&self, name: &str) -> String {
        self.files.get(name).map_or_else(|| name.to_owned(), |file| relative(&self.root, file))
    }

    pub fn compile(&self) -> Result<Compiled, Vec<Problem>> {
        let mut resolver = ChainFileResolver::new();
        resolver.add(Known(self.files.clone()));
        resolver.add(GoogleFileResolver::new());
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        compiler.include_source_info(true).include_imports(true);
        let mut problems = vec![];
        for name in self.files.keys() {
            if let Err(error) = compiler.open_file(name) {
                let problem = self.problem(name, &error);
                // A broken file is met again by each file that imports it.
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Compiled { descriptors: compiler.encode_file_descriptor_set(), set: compiler.file_descriptor_set() })
    }

    /// protox tells line and column in its debug form only: `name:line:column: message`.
    fn problem(&self, opened: &str, error: &protox::Error) -> Problem {
        let name = error.file().unwrap_or(opened);
        let told = format!("{error:?}");
        let rest = told.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')).unwrap_or(&told);
        let mut parts = rest.splitn(3, ':');
        let place = (number(parts.next()), number(parts.next()), parts.next());
        let (line, column, message) = match place {
            (Some(line), Some(column), Some(message)) => (line, column, message),
            // protox knows no place for what is missing at the end
            _ if rest.ends_with("reached end of file") => {
                let (line, column) = self.end(name);
                (line, column, rest)
            }
            _ => (0, 0, rest),
        };
        Problem { file: self.place(name), line, column, message: message.trim().replace('\n', " ") }
    }

    /// Line and column of a file's end; 0 for a file that is not the site's.
    fn end(&self, name: &str) -> (usize, usize) {
        let text = self.files.get(name).and_then(|file| fs::read_to_string(file).ok());
        text.map_or((0, 0), |text| {
            let last = text.lines().last().unwrap_or_default();
            (text.lines().count().max(1), last.chars().count() + 1)
        })
    }
}

fn number(text: Option<&str>) -> Option<usize> {
    text?.trim().parse().ok()
}

fn named(dir: &Path, root: &Path, into: &mut Vec<(String, PathBuf)>) {
    into.extend(walk(dir, "proto").into_iter().map(|file| (relative(root, &file), file)));
}

/// Finds an import among the files of the site.
struct Known(BTreeMap<String, PathBuf>);

impl FileResolver for Known {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.get(name) {
            Some(path) => File::open(name, path),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}
