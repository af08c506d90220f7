//! Building the components that a manifest names.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail};
use edge_runtime::Manifest;

use crate::progress::{say, seconds};

/// The target that components are compiled to.
pub const TARGET: &str = "wasm32-wasip2";
/// How often it is looked whether another component was built.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Runs every component's build command, once where several share one.
///
/// # Errors
/// When the target cannot be installed or a command fails.
pub fn build(manifest: &Manifest) -> anyhow::Result<()> {
    ensure_target(&manifest.root)?;
    let mut sources = Sources::new(manifest);
    let mut done: Vec<(String, std::path::PathBuf)> = Vec::new();
    for (id, component) in &manifest.components {
        let Some(build) = &component.build else { continue };
        let folder = build.workdir.as_ref().map_or_else(|| manifest.root.clone(), |w| manifest.root.join(w));
        for command in build.command.as_slice() {
            let key = (command.clone(), folder.clone());
            if done.contains(&key) {
                continue;
            }
            run(command, &folder, &mut sources).with_context(|| format!("building component '{id}'"))?;
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
        say(format_args!(
            "building {} WebAssembly components (once; some minutes)",
            manifest.components.len()
        ));
        build(manifest)?;
    }
    Ok(())
}

/// The components' files, watched while they are built.
struct Sources {
    begun: Instant,
    /// Each component with its file, and when that was written.
    files: Vec<(String, PathBuf, Option<SystemTime>)>,
    /// Files that were written anew.
    built: usize,
}

impl Sources {
    fn new(manifest: &Manifest) -> Self {
        let file = |(id, component): (&String, &_)| {
            let path = manifest.source_path(component);
            let written = written(&path);
            (id.clone(), path, written)
        };
        Self { begun: Instant::now(), files: manifest.components.iter().map(file).collect(), built: 0 }
    }

    /// Says which components were built since the last call.
    fn tell(&mut self) {
        let of = self.files.len();
        for (id, path, before) in &mut self.files {
            let now = written(path);
            if now != *before && now.is_some() {
                *before = now;
                self.built += 1;
                say(format_args!(
                    "component {:>2}/{of}  {id:<14} built, {} after the start",
                    self.built,
                    seconds(self.begun.elapsed())
                ));
            }
        }
    }
}

/// When a file was written, if it is there.
fn written(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|found| found.modified()).ok()
}

/// Runs one command, whose own output goes to the terminal, and tells of each component that it builds.
fn run(command: &str, folder: &Path, sources: &mut Sources) -> anyhow::Result<()> {
    let mut process = Command::new("sh");
    process.arg("-c").arg(command);
    if !folder.as_os_str().is_empty() {
        process.current_dir(folder);
    }
    let mut running = process.spawn().with_context(|| format!("cannot start '{command}'"))?;
    let status = loop {
        sources.tell();
        match running.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(LOOK_INTERVAL),
        }
    };
    sources.tell();
    if !status.success() {
        bail!("'{command}' ended with {status}; what is wrong stands above");
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
    say(format_args!("installing the WebAssembly target: rustup {}", install.join(" ")));
    let installed = Command::new("rustup").args(install).status();
    if !installed.is_ok_and(|s| s.success()) {
        bail!(
            "the target {TARGET} is missing and rustup did not install it; run: rustup {}",
            install.join(" ")
        );
    }
    Ok(())
}
