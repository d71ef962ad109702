//! The example shop in a real browser: `tests/browser/shop.mjs` buys something there.
//!
//! `SOUK_TEST_CHROMIUM` names a Chromium; without it `chromium` is tried. It is driven by node, with the packages that `npm ci --prefix tests/browser` puts there.
//! With `SOUK_TEST_PICTURES` pictures of the page are left in the folder that it names.

use std::{env, path::Path, process::Command};

use super::{demo::Served, loud::say};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");

/// The Chromium to use; or why it cannot be driven.
fn chromium() -> Result<String, String> {
    let named = env::var("SOUK_TEST_CHROMIUM").ok();
    let chromium = named.clone().unwrap_or_else(|| "chromium".to_owned());
    let why = match found(&chromium) {
        Ok(path) => return Ok(path),
        Err(why) => why,
    };
    // Who names one wants the test to run.
    assert!(named.is_none(), "`SOUK_TEST_CHROMIUM={chromium}` cannot be driven: {why}");
    Err(why)
}

/// Where a program of this name is, if node can drive it.
fn found(chromium: &str) -> Result<String, String> {
    let path = said(Command::new("sh").args(["-c", "command -v -- \"$1\"", "sh", chromium]))
        .map_err(|_| format!("there is no `{chromium}`"))?;
    said(Command::new("node").args(["--input-type=module", "--eval", "import 'playwright-core'"]).current_dir(FOLDER))?;
    Ok(path.trim().to_owned())
}

/// What a command says, when it succeeds.
fn said(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let lines = String::from_utf8_lossy(&output.stderr).into_owned();
    let why = lines.lines().find(|line| line.contains("Error")).unwrap_or("it failed").to_owned();
    if output.status.success() { Ok(String::from_utf8_lossy(&output.stdout).into_owned()) } else { Err(why) }
}

#[test]
fn its_shops_sell_to_a_browser() {
    let chromium = match chromium() {
        Ok(chromium) => chromium,
        Err(why) => return say(&format!("SKIPPED its_shops_sell_to_a_browser: no Chromium to drive ({why})")),
    };
    let demo = Served::start();
    let mut script = Command::new("node");
    script.arg(Path::new(FOLDER).join("shop.mjs")).args([&demo.address, &chromium]);
    if let Ok(pictures) = env::var("SOUK_TEST_PICTURES") {
        script.arg(pictures);
    }
    let ran = script.output().unwrap();
    let (said, complaints) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}{complaints}");
    assert!(said.ends_with("all of it is as it should be\n"), "{said}{complaints}");
    demo.stop();
}
