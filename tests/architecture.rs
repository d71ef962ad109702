//! Who may import whom: the lines of ARCHITECTURE.md, held against the sources and the manifests.

use std::fs;
use std::path::{Path, PathBuf};

/// A part of the workspace and the words that its sources may not hold.
struct Rule {
    /// A file or a folder, from the root of the workspace.
    part: &'static str,
    never: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule { part: "hashring/src", never: &["tokio", "tonic", "rusqlite", "souk_"] },
    Rule { part: "merge/src", never: &["tokio", "tonic", "rusqlite", "souk_"] },
    Rule { part: "proto/src", never: &["tokio", "rusqlite", "souk_hashring", "souk_vendor_node", "souk_coordinator"] },
    Rule { part: "vendor-node/src", never: &["sqlparser", "souk_hashring", "souk_coordinator"] },
    Rule { part: "coordinator/src", never: &["souk_vendor_node"] },
    Rule {
        part: "coordinator/src/sql",
        never: &[
            "tokio",
            "tonic",
            "souk_proto",
            "crate::plan",
            "crate::analyze",
            "crate::exec",
            "crate::catalog",
            "crate::session",
            "crate::rpc",
            "crate::write",
            "crate::cluster",
        ],
    },
    Rule {
        part: "coordinator/src/catalog",
        never: &[
            "tokio",
            "tonic",
            "sqlparser",
            "crate::plan",
            "crate::analyze",
            "crate::exec",
            "crate::session",
            "crate::rpc",
        ],
    },
    Rule {
        part: "coordinator/src/analyze",
        never: &[
            "tokio",
            "tonic",
            "rusqlite",
            "sqlparser",
            "crate::plan",
            "crate::exec",
            "crate::catalog",
            "crate::session",
            "crate::rpc",
        ],
    },
    Rule {
        part: "coordinator/src/plan",
        never: &[
            "tokio",
            "tonic",
            "rusqlite",
            "sqlparser",
            "crate::exec",
            "crate::session",
            "crate::rpc",
            "crate::write",
            "crate::cluster",
        ],
    },
    Rule {
        part: "coordinator/src/exec",
        never: &[
            "sqlparser",
            "crate::sql",
            "crate::analyze",
            "crate::session",
            "crate::rpc",
            "crate::write",
            "crate::cluster",
        ],
    },
    Rule { part: "coordinator/src/rpc", never: &["sqlparser", "crate::plan", "crate::analyze", "crate::catalog"] },
    Rule {
        part: "coordinator/src/commit",
        never: &[
            "sqlparser",
            "tonic",
            "crate::sql",
            "crate::plan",
            "crate::analyze",
            "crate::session",
            "crate::rpc",
            "crate::write",
        ],
    },
    Rule { part: "coordinator/src/write", never: &["sqlparser", "crate::plan", "crate::analyze", "crate::rpc"] },
    Rule { part: "coordinator/src/session.rs", never: &["sqlparser", "rusqlite", "tonic", "crate::rpc"] },
    Rule { part: "coordinator/src/session", never: &["sqlparser", "rusqlite", "tonic", "crate::rpc"] },
    Rule { part: "marketplace/src", never: &["rusqlite", "sqlparser", "souk_vendor_node", "souk_hashring"] },
    Rule { part: "marketplace/src/order", never: &["tonic", "axum", "crate::rpc", "crate::http"] },
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(part: &Path, found: &mut Vec<PathBuf>) {
    if part.is_file() {
        found.push(part.to_owned());
        return;
    }
    for entry in fs::read_dir(part).unwrap_or_else(|error| panic!("{}: {error}", part.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "rs") {
            sources(&path, found);
        }
    }
}

/// The code of a file: without comments, and without its tests, which may use anything.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source file");
    let before_tests = text.split("#[cfg(test)]").next().unwrap_or("");
    before_tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Whether `word` stands in the text by itself, not as a part of a longer name.
fn holds(text: &str, word: &str) -> bool {
    let is_name = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '_');
    text.match_indices(word).any(|(at, _)| {
        let after = if word.ends_with('_') { None } else { text[at + word.len()..].chars().next() };
        !is_name(text[..at].chars().next_back()) && !is_name(after)
    })
}

#[test]
fn no_part_imports_what_it_may_not() {
    let mut broken = Vec::new();
    for rule in RULES {
        let mut files = Vec::new();
        sources(&root().join(rule.part), &mut files);
        assert!(!files.is_empty(), "{} has no sources: the rule is out of date", rule.part);
        for file in files {
            let code = code(&file);
            let found = rule.never.iter().filter(|word| holds(&code, word));
            broken.extend(found.map(|word| format!("{} mentions `{word}`", file.display())));
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// The dependencies of a manifest, those of its tests not among them.
fn dependencies(manifest: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(manifest)).expect("a manifest");
    let section = text.split("\n[dependencies]\n").nth(1).expect("dependencies");
    let section = section.split("\n[").next().unwrap_or("");
    let name = |line: &str| line.split([' ', '=', '.']).next().map(str::to_owned);
    section.lines().filter(|line| !line.trim().is_empty()).filter_map(name).collect()
}

#[test]
fn the_pure_crates_depend_on_nothing_else() {
    assert_eq!(dependencies("hashring/Cargo.toml"), ["thiserror", "xxhash-rust"]);
    assert_eq!(dependencies("merge/Cargo.toml"), ["hashbrown", "thiserror", "xxhash-rust"]);
    for (manifest, never) in [
        ("proto/Cargo.toml", vec!["rusqlite", "tokio", "souk-hashring", "souk-vendor-node", "souk-coordinator"]),
        ("vendor-node/Cargo.toml", vec!["sqlparser", "souk-hashring", "souk-coordinator"]),
        ("coordinator/Cargo.toml", vec!["souk-vendor-node", "souk-marketplace"]),
        ("marketplace/Cargo.toml", vec!["rusqlite", "sqlparser", "souk-vendor-node", "souk-hashring"]),
    ] {
        let known = dependencies(manifest);
        let broken: Vec<_> = never.iter().filter(|never| known.iter().any(|name| name == *never)).collect();
        assert!(broken.is_empty(), "{manifest} depends on {broken:?}");
    }
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let mut files = Vec::new();
    for part in [
        "src",
        "proto/src",
        "hashring/src",
        "merge/src",
        "vendor-node/src",
        "coordinator/src",
        "marketplace/src",
        "tests",
    ] {
        sources(&root().join(part), &mut files);
    }
    let silent: Vec<_> = files
        .into_iter()
        .filter(|file| !fs::read_to_string(file).expect("a source file").trim_start_matches('#').starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "without a `//!` line at the top: {silent:?}");
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    let section = manifest.split("[workspace.dependencies]").nth(1).expect("dependencies");
    let section = section.split("\n[").next().unwrap_or("");
    let names = section.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let missing: Vec<_> =
        names.filter(|name| !name.starts_with("souk-") && !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "without a reason in ARCHITECTURE.md: {missing:?}");
}
