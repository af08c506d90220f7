//! Building the components that a manifest names.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use edge_runtime::Manifest;

/// The target that components are compiled to.
pub const TARGET: &str = "wasm32-wasip2";

/// Runs every component's build command, once where several share one.
///
/// # Errors
/// When the target cannot be installed or a command fails.
pub fn build(manifest: &Manifest) -> anyhow::Result<()> {
    ensure_target(&manifest.root)?;
    let mut done: Vec<(String, std::path::PathBuf)> = Vec::new();
    for (id, component) in &manifest.components {
        let Some(build) = &component.build else { continue };
        let folder = build.workdir.as_ref().map_or_else(|| manifest.root.clone(), |w| manifest.root.join(w));
        for command in build.command.as_slice() {
            let key = (command.clone(), folder.clone());
            if done.contains(&key) {
                continue;
            }
            run(command, &folder).with_context(|| format!("building component '{id}'"))?;
            done.push(key);
        }
    }
    Ok(())
}

/// Runs the build where a component's file is missing.
///
/// # Errors
/// As [`build`].
pub fn build_missing(manifest: &Manifest) -> anyhow::Result<()> {
    let missing = manifest.components.values().any(|c| !manifest.source_path(c).exists());
    if missing {
        eprintln!("building the components (the first time takes some minutes)");
        build(manifest)?;
    }
    Ok(())
}

fn run(command: &str, folder: &Path) -> anyhow::Result<()> {
    let mut process = Command::new("sh");
    process.arg("-c").arg(command);
    if !folder.as_os_str().is_empty() {
        process.current_dir(folder);
    }
    let status = process.status().with_context(|| format!("cannot start '{command}'"))?;
    if !status.success() {
        bail!("'{command}' ended with {status}");
    }
    Ok(())
}

/// Installs the target where it is missing, and says so.
fn ensure_target(folder: &Path) -> anyhow::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(folder)
        .output()
        .context("cannot run rustc; is Rust installed?")?;
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    if Path::new(&sysroot).join("lib/rustlib").join(TARGET).exists() {
        return Ok(());
    }
    let toolchain =
        Path::new(&sysroot).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let install = ["target", "add", "--toolchain", &toolchain, TARGET];
    eprintln!("installing the WebAssembly target: rustup {}", install.join(" "));
    let installed = Command::new("rustup").args(install).status();
    if !installed.is_ok_and(|s| s.success()) {
        bail!(
            "the target {TARGET} is missing and rustup did not install it; run: rustup {}",
            install.join(" ")
        );
    }
    Ok(())
}
