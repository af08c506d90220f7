//! `edge check`.

use edge_data::{LocalDatabase, PoolOptions, migrate};
use edge_runtime::Manifest;

use super::NodeFile;
use crate::config::Config;
use crate::output::line;

/// Prints each finding; an error when there is one.
pub(super) async fn run(node: &NodeFile) -> anyhow::Result<()> {
    let mut findings = Vec::new();
    let config = match node.config() {
        Ok(config) => {
            line("node file   ok");
            config
        }
        Err(error) => return Err(error),
    };
    match Manifest::load(&config.node.manifest) {
        Ok(manifest) => {
            line(format_args!("manifest    ok: {} components", manifest.components.len()));
            for (id, component) in &manifest.components {
                let path = manifest.source_path(component);
                if !path.exists() {
                    findings.push(format!(
                        "component '{id}': {} is missing; run 'cargo edge build'",
                        path.display()
                    ));
                }
            }
            check_databases(&config, &manifest, &mut findings).await;
        }
        Err(error) => findings.push(with_sources(&error)),
    }
    for finding in &findings {
        line(format_args!("wrong       {finding}"));
    }
    anyhow::ensure!(findings.is_empty(), "{} thing(s) to put right", findings.len());
    Ok(())
}

async fn check_databases(config: &Config, manifest: &Manifest, findings: &mut Vec<String>) {
    for (label, settings) in &config.databases.0 {
        let path = config.node.data.join(&settings.file);
        if !path.exists() {
            findings
                .push(format!("database '{label}': {} is missing; run 'cargo edge migrate'", path.display()));
            continue;
        }
        let checked = async {
            let database = LocalDatabase::open(&path, PoolOptions::default()).await?;
            let migrations = migrate::read_folder(&manifest.root.join(&settings.migrations))?;
            migrate::check(&database.connect().await?, &migrations).await?;
            anyhow::Ok(())
        };
        match checked.await {
            Ok(()) => line(format_args!("database    ok: {label}")),
            Err(error) => findings.push(format!("database '{label}': {error:#}")),
        }
    }
}

fn with_sources(error: &impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
