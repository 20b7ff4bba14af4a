//! A site in a temporary folder.

use std::{fs, path::PathBuf};

use steeple_build::{Build, Problem, Report};
use tempfile::TempDir;

/// A site's root and its `OUT_DIR`.
pub struct Site {
    root: TempDir,
    out: TempDir,
}

impl Site {
    /// A site with these files: path, text.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let site = Self { root: tempfile::tempdir().unwrap(), out: tempfile::tempdir().unwrap() };
        for (path, text) in files {
            site.put(path, text);
        }
        site
    }

    pub fn put(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub fn build(&self) -> Build {
        Build::new(self.root.path(), self.out.path())
    }

    /// Runs the build; a problem is a failure of the test.
    pub fn run(&self) -> Report {
        self.build().run().unwrap_or_else(|problems| panic!("{}", told(&problems).join("\n")))
    }

    /// Runs the build and expects these problems.
    #[track_caller]
    pub fn refuses(&self, expected: &[&str]) {
        let problems = self.build().run().expect_err("the build went through");
        assert_eq!(told(&problems), expected);
    }

    /// Runs the build and expects these warnings.
    #[track_caller]
    pub fn warns(&self, expected: &[&str]) {
        assert_eq!(told(&self.run().warnings), expected);
    }

    /// An output.
    pub fn out(&self, name: &str) -> String {
        fs::read_to_string(self.out.path().join(name)).unwrap()
    }

    /// The bytes of an output.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.out.path().join(name)).unwrap()
    }

    /// A file of the site.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Runs the build and expects this text in `site.rs`, however it is broken into lines.
    #[track_caller]
    pub fn registers(&self, expected: &str) {
        self.run();
        let site = self.out("site.rs");
        assert!(packed(&site).contains(&packed(expected)), "no\n{expected}\nin\n{site}");
    }

    #[track_caller]
    pub fn does_not_register(&self, unexpected: &str) {
        self.run();
        let site = self.out("site.rs");
        assert!(!packed(&site).contains(&packed(unexpected)), "{unexpected}\nin\n{site}");
    }
}

pub fn told(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn packed(text: &str) -> String {
    text.split_whitespace().collect::<String>().replace(",)", ")")
}

/// A proto with one service of one method.
pub fn proto(package: &str, service: &str) -> String {
    format!(
        "syntax = \"proto3\";\npackage {package};\n\nservice {service} {{\n  rpc Ping(Request) returns (Reply);\n}}\n\nmessage Request {{}}\nmessage Reply {{}}\n"
    )
}
