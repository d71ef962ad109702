//! What `--help` answers.

use super::souk;

#[test]
fn help_answers_everywhere() {
    for command in ["", "demo", "coordinator", "node", "sql", "import", "status"] {
        let arguments: Vec<&str> = [command, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
        let ran = souk(&arguments, "");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains("Usage: souk"), "{ran:?}");
        assert!(!ran.stdout.contains("stop-with-stdin"), "a parent's flag is not for people");
    }
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    for arguments in [&["sing"][..], &["sql", "--format", "xml"], &["sql", "-c", "SELECT 1", "-f", "x"], &["import"]] {
        let ran = souk(arguments, "");
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:?}");
    }
}

#[test]
fn the_version_is_told() {
    let ran = souk(&["--version"], "");
    assert_eq!(ran.stdout, format!("souk {}\n", env!("CARGO_PKG_VERSION")));
}
