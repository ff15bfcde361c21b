//! Has the assets of the pages fetched and put together, so that they can be built into the program.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    let assets = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("assets");
    for file in ["build", "icons", "package-lock.json"] {
        println!("cargo::rerun-if-changed=assets/{file}");
    }
    println!("cargo::rerun-if-changed=assets/built/stamp");
    match Command::new(assets.join("build")).status() {
        Ok(status) if status.success() => {}
        Ok(status) => println!("cargo::error=the assets of the pages could not be put together ({status}); see crates/panel/assets/build"),
        Err(error) => println!("cargo::error=crates/panel/assets/build could not be run: {error}"),
    }
}
