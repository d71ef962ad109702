//! The list of points and the sources name the same steps.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::points::{Of, POINTS};

/// A step as a source names it.
type Named = (String, Of, bool);

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn named_in(part: &str, of: Of) -> Vec<Named> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(part), &mut files);
    let calls = |file: PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        let calls = text.split("failpoint!(").skip(1).filter_map(|rest| rest.split_once(')'));
        calls.map(|(call, _)| call.to_owned()).collect::<Vec<_>>()
    };
    let named = |call: String| {
        let (kind, name) = call.trim_end_matches('"').split_once('"').expect("a name in quotes");
        (name.to_owned(), of, kind.trim() != "crash")
    };
    files.into_iter().flat_map(calls).map(named).collect()
}

#[test]
fn the_list_names_every_step_once() {
    let mut named = named_in("vendor-node/src", Of::Node);
    named.extend(named_in("coordinator/src", Of::Coordinator));
    let mut listed: Vec<Named> = POINTS.iter().map(|point| (point.name.to_owned(), point.of, point.errs)).collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    listed.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(named, listed);
    let mut names: Vec<&str> = POINTS.iter().map(|point| point.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), POINTS.len(), "a name stands for two steps");
}
