//! The floors of the house: a module imports only what stands before it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Lower first; modules of one floor may use those before them. A new module gets its place here.
const ORDER: [&str; 27] = [
    "error",
    "clock", // ground
    "db",
    "model", // data
    "method",
    "record",
    "auth",
    "audit",
    "cache",
    "signal",
    "node",
    "bus",
    "centrifugo", // pieces
    "context",
    "service",
    "interceptor",
    "stream", // wire
    "config",
    "app",
    "problem",
    "login",
    "server", // house
    "invoke",
    "monitor",
    "admin",
    "doors",
    "commands", // doors
];

/// What may point upwards, and why.
const EXCEPTIONS: [(&str, &str, &str); 4] = [
    ("service", "interceptor", "a service's handlers speak the chain's types; the wire is one floor"),
    ("service", "stream", "as above"),
    ("config", "server", "the configuration composes each room's own Config"),
    ("config", "admin", "as above"),
];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The modules that a source names after `crate::`, groups included, with the line.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = vec![];
    for (at, _) in text.match_indices("crate::") {
        let line = text[..at].lines().count();
        if text[..at].lines().last().is_some_and(|line| line.trim_start().starts_with("//")) {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            let mut words = vec![];
            for letter in group.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => words.push(std::mem::take(&mut word)),
                    letter if depth == 0 => word.push(letter),
                    _ => {}
                }
            }
            words.push(word);
            let first = |word: String| word.trim().split("::").next().unwrap_or_default().trim().to_owned();
            found.extend(words.into_iter().map(|word| (line, first(word))));
        } else {
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
            found.push((line, rest[..end].to_owned()));
        }
    }
    found
}

/// The floor of a name: a module, or what `lib.rs` re-exports from one.
fn place(name: &str) -> Option<usize> {
    let module = match name {
        "Code" | "Error" | "Result" => "error",
        "Db" => "db",
        "Cache" => "cache",
        "Signals" => "signal",
        "Context" => "context",
        "Service" => "service",
        "Interceptor" | "Next" | "Request" | "Response" => "interceptor",
        "Replies" | "Streaming" => "stream",
        "Config" => "config",
        "App" | "Setup" | "Site" => "app",
        "Server" => "server",
        "Fixed" => "model",
        name => name,
    };
    ORDER.iter().position(|known| *known == module)
}

#[test]
fn a_module_imports_only_what_stands_before_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![];
    sources(&src, &mut files);
    let mut wrong = vec![];
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let module = relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let own = place(module);
        if own.is_none() {
            wrong.push(format!("{}: {module} has no place in ORDER", relative.display()));
            continue;
        }
        // A file's own tests may reach anywhere.
        let text = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for (line, name) in imports(text) {
            let allowed = EXCEPTIONS.iter().any(|(from, to, _)| *from == module && place(to) == place(&name));
            if place(&name) > own && !allowed {
                wrong.push(format!("{}:{line}: {module} imports {name}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn only_the_server_names_the_transport() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![];
    sources(&src, &mut files);
    for file in files {
        let relative = file.strip_prefix(&src).unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let names = text.contains("transport::Server") || text.contains("transport::server::Server");
        assert!(!names || relative.starts_with("server"), "{} names tonic's transport", relative.display());
    }
}
