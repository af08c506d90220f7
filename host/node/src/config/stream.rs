//! `[stream]`.

use std::path::PathBuf;

use edge_streams::{Compression, FluvioSettings, FluvioTls};
use serde::Deserialize;

use super::within;

/// Characters in a topic's name, as Fluvio has it.
const TOPIC_MAX: usize = 63;

/// `[stream]`: where this node's events are published for other nodes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamSection {
    /// Address of a Fluvio cluster's controller, host and port; empty where the event table is the stream.
    pub fluvio: String,
    /// The folder of topics that are files, for edges on one machine that have no broker; none for no such topics.
    pub folder: Option<PathBuf>,
    /// Begins the topics' names; the region follows.
    pub topic_prefix: String,
    /// Whether a missing topic is created.
    pub create: bool,
    /// Copies of each record in a topic that is created, 1 to 9.
    pub replicas: u32,
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub compression: Packing,
    /// Certificates, where the cluster wants them.
    pub tls: Option<StreamTls>,
}

/// How records are packed on their way.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "names of well-known formats")]
pub enum Packing {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// `[stream.tls]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamTls {
    /// The name in the cluster's certificate.
    pub domain: String,
    /// PEM file with our key.
    pub key: PathBuf,
    /// PEM file with our certificate.
    pub certificate: PathBuf,
    /// PEM file with the certificate of who signed the cluster's.
    pub authority: PathBuf,
}

impl Default for StreamSection {
    fn default() -> Self {
        Self {
            fluvio: String::new(),
            folder: None,
            topic_prefix: "petwalker-region-".to_owned(),
            create: true,
            replicas: 1,
            compression: Packing::Lz4,
            tls: None,
        }
    }
}

impl StreamSection {
    pub(super) fn check(&self, region: &str) -> Result<(), (&'static str, String)> {
        within("stream.replicas", self.replicas.into(), 1, 9)?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !self.topic_prefix.bytes().all(plain) {
            let message = format!("'{}' must be of a-z, 0-9 and '-'", self.topic_prefix);
            return Err(("stream.topic_prefix", message));
        }
        let topic = self.topic(region);
        if topic.len() > TOPIC_MAX {
            let message =
                format!("makes the topic '{topic}', and a topic's name has at most {TOPIC_MAX} characters");
            return Err(("stream.topic_prefix", message));
        }
        if !self.fluvio.is_empty() && self.folder.is_some() {
            return Err(("stream.folder", "cannot be set beside stream.fluvio".to_owned()));
        }
        let port = self.fluvio.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if !self.fluvio.is_empty() && port.is_none() {
            return Err(("stream.fluvio", format!("'{}' must be a host and a port", self.fluvio)));
        }
        Ok(())
    }

    /// The cluster; none where the event table is the stream.
    #[must_use]
    pub fn settings(&self) -> Option<FluvioSettings> {
        let tls = self.tls.clone().map(|tls| FluvioTls {
            domain: tls.domain,
            key: tls.key,
            certificate: tls.certificate,
            authority: tls.authority,
        });
        (!self.fluvio.is_empty()).then(|| FluvioSettings {
            endpoint: self.fluvio.clone(),
            tls,
            replicas: self.replicas,
            create: self.create,
            compression: match self.compression {
                Packing::None => Compression::None,
                Packing::Gzip => Compression::Gzip,
                Packing::Snappy => Compression::Snappy,
                Packing::Lz4 => Compression::Lz4,
                Packing::Zstd => Compression::Zstd,
            },
        })
    }

    /// The topic of a region.
    #[must_use]
    pub fn topic(&self, region: &str) -> String {
        format!("{}{region}", self.topic_prefix)
    }
}
