//! Where backups are kept: a folder, or a bucket of an S3-compatible store.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials as Keys, S3Action as _, UrlStyle};

use super::MANIFEST;

/// How long a signed request may be used.
const SIGNED_FOR: Duration = Duration::from_secs(600);
/// How long one request may take: parts have some tens of megabytes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);

/// What an S3-compatible store wants to know.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Its address; AWS's own in the region where it is left out.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// The access key's id.
    pub key: Option<String>,
    /// The secret key.
    pub secret: Option<String>,
}

/// Where backups are kept.
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// A bucket, and what names in it begin with.
    Bucket(Box<Store>),
}

/// A bucket of a store.
pub struct Store {
    bucket: Bucket,
    keys: Keys,
    prefix: String,
    http: Client,
}

/// Why backups cannot be kept or read there.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The place is neither a folder nor a bucket that can be used.
    #[error("'{place}' cannot be used: {reason}")]
    Address {
        /// What was given.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be written or read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The store cannot be reached.
    #[error("the store gave no answer for '{name}'")]
    Away {
        /// What was asked for.
        name: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The store refused.
    #[error("the store answered {status} for '{name}': {answer}")]
    Refused {
        /// What was asked for.
        name: String,
        /// The status.
        status: u16,
        /// The beginning of its answer.
        answer: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Bucket(store) => write!(f, "s3://{}/{}", store.bucket.name(), store.prefix),
        }
    }
}

impl Place {
    /// `s3://bucket/prefix`, or a folder's path.
    ///
    /// # Errors
    /// When a bucket cannot be used with these credentials.
    pub fn parse(text: &str, credentials: &Credentials) -> Result<Self, PlaceError> {
        let Some(rest) = text.strip_prefix("s3://") else { return Ok(Self::Folder(text.into())) };
        let wrong = |reason: String| PlaceError::Address { place: text.to_owned(), reason };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let missing = |what: &str| wrong(format!("set {what}"));
        let key = credentials.key.clone().ok_or_else(|| missing("AWS_ACCESS_KEY_ID"))?;
        let secret = credentials.secret.clone().ok_or_else(|| missing("AWS_SECRET_ACCESS_KEY"))?;
        let region = credentials.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
        // Others than AWS mostly have no host name for each bucket.
        let (endpoint, style) = match &credentials.endpoint {
            Some(endpoint) => (endpoint.clone(), UrlStyle::Path),
            None => (format!("https://s3.{region}.amazonaws.com"), UrlStyle::VirtualHost),
        };
        let endpoint =
            endpoint.parse().map_err(|e| wrong(format!("AWS_ENDPOINT_URL '{endpoint}' is no URL: {e}")))?;
        let bucket =
            Bucket::new(endpoint, style, name.to_owned(), region).map_err(|e| wrong(e.to_string()))?;
        let http = Client::builder().timeout(REQUEST_TIMEOUT).build().map_err(|e| wrong(e.to_string()))?;
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(Self::Bucket(Box::new(Store { bucket, keys: Keys::new(key, secret), prefix, http })))
    }

    /// Keeps a file; returns when it is on disk there.
    pub(super) async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), PlaceError> {
        match self {
            Self::Folder(folder) => write_durably(&folder.join(name), &bytes),
            Self::Bucket(store) => {
                let object = store.object(name);
                let url = store.bucket.put_object(Some(&store.keys), &object).sign(SIGNED_FOR);
                let sent = store.http.put(url).body(bytes).send().await;
                refuse(name, sent.map_err(|e| away(name, e))?).await.map(drop)
            }
        }
    }

    /// A file that was kept.
    pub(super) async fn get(&self, name: &str) -> Result<Vec<u8>, PlaceError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                std::fs::read(&path).map_err(|source| PlaceError::File { path, source })
            }
            Self::Bucket(store) => {
                let object = store.object(name);
                let url = store.bucket.get_object(Some(&store.keys), &object).sign(SIGNED_FOR);
                let answer = store.http.get(url).send().await.map_err(|e| away(name, e))?;
                let answer = refuse(name, answer).await?;
                Ok(answer.bytes().await.map_err(|e| away(name, e))?.to_vec())
            }
        }
    }

    /// The backups that are whole, oldest first.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn backups(&self) -> Result<Vec<String>, PlaceError> {
        let mut found = match self {
            Self::Folder(folder) => in_folder(folder)?,
            Self::Bucket(store) => store.backups().await?,
        };
        found.sort();
        Ok(found)
    }
}

impl Store {
    fn object(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    async fn backups(&self) -> Result<Vec<String>, PlaceError> {
        let (mut found, mut after) = (Vec::new(), None);
        let prefix = self.object("");
        loop {
            let mut list = self.bucket.list_objects_v2(Some(&self.keys));
            list.with_prefix(prefix.as_str());
            if let Some(token) = after.take() {
                list.with_continuation_token(token);
            }
            let answer = self.http.get(list.sign(SIGNED_FOR)).send().await.map_err(|e| away(&prefix, e))?;
            let text = refuse(&prefix, answer).await?.text().await.map_err(|e| away(&prefix, e))?;
            let page = ListObjectsV2::parse_response(&text).map_err(|e| PlaceError::Refused {
                name: prefix.clone(),
                status: 200,
                answer: format!("no list: {e}"),
            })?;
            let ids = page.contents.iter().filter_map(|object| {
                let id = object.key.strip_prefix(&prefix)?.strip_suffix(MANIFEST)?.strip_suffix('/')?;
                (!id.contains('/')).then(|| id.to_owned())
            });
            found.extend(ids);
            match page.next_continuation_token {
                Some(token) => after = Some(token),
                None => return Ok(found),
            }
        }
    }
}

fn away(name: &str, source: reqwest::Error) -> PlaceError {
    // The address carries the signature, which is nobody's to read in a log.
    PlaceError::Away { name: name.to_owned(), source: source.without_url() }
}

/// The answer where it is a good one.
async fn refuse(name: &str, answer: Response) -> Result<Response, PlaceError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let text = answer.text().await.unwrap_or_default();
    let hint = if status == StatusCode::NOT_FOUND { "there is none of that name. " } else { "" };
    let answer = format!("{hint}{}", text.chars().take(300).collect::<String>());
    Err(PlaceError::Refused { name: name.to_owned(), status: status.as_u16(), answer })
}

fn in_folder(folder: &Path) -> Result<Vec<String>, PlaceError> {
    let wrong = |source| PlaceError::File { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        if let Some(name) = entry.file_name().to_str().filter(|_| entry.path().join(MANIFEST).exists()) {
            found.push(name.to_owned());
        }
    }
    Ok(found)
}

/// Writes a file, readable by this user only, so that it is whole or not there.
fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), PlaceError> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let folder = path.parent().unwrap_or(path);
    let temporary = path.with_extension("part");
    let write = || {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    write().map_err(|source| PlaceError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::{Credentials, MANIFEST, Place};

    #[tokio::test]
    async fn only_what_has_a_manifest_is_a_backup() {
        let folder = tempfile::tempdir().expect("a folder");
        let place =
            Place::parse(&folder.path().display().to_string(), &Credentials::default()).expect("a place");
        for name in ["b/global.000", "a/global.000", "a/manifest.json", "c/manifest.json"] {
            place.put(name, b"x".to_vec()).await.expect("kept");
        }
        assert_eq!(place.backups().await.expect("listed"), ["a", "c"]);
        assert_eq!(place.get(&format!("a/{MANIFEST}")).await.expect("read"), b"x");
        assert!(place.get("a/nothing").await.expect_err("none").to_string().contains("nothing"));
    }

    #[test]
    fn a_bucket_needs_keys() {
        let error = Place::parse("s3://walks/nightly", &Credentials::default()).err().expect("refused");
        assert_eq!(error.to_string(), "'s3://walks/nightly' cannot be used: set AWS_ACCESS_KEY_ID");
    }
}
