//! A folder that answers as an S3-compatible store does, to components only.
//!
//! Of the Amazon S3 API it has what components use of a bucket: PUT, GET, HEAD and DELETE of objects, path style, and
//! `ListObjectsV2` of what is under a folder. Requests
//! come from within the process, by the manifest's leave, so signatures are not looked at. A PUT that was answered is on
//! disk whole.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use edge_data::private::create_folder;
use edge_runtime::outbound::InProcess;
use edge_runtime::storage::Pending;
use edge_runtime::{Body, empty_body, full_body};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};

/// A store in a folder.
#[derive(Clone, Debug)]
pub struct ObjectFolder {
    host: String,
    root: PathBuf,
    object_bytes_max: usize,
}

/// Objects listed at once.
const LISTED_MAX: usize = 1_000;

/// What became of a request.
enum Done {
    Listed(String),
    Written,
    Found(Vec<u8>),
    Removed,
    Missing,
}

impl ObjectFolder {
    /// Keeps objects of at most so many bytes under `root`, and answers for `host`.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(host: &str, root: &Path, object_bytes_max: usize) -> std::io::Result<Self> {
        create_folder(root)?;
        Ok(Self { host: host.to_owned(), root: root.to_owned(), object_bytes_max })
    }

    /// The file of `/bucket/key`; none for names that could mean anything but a file under the root.
    fn file(&self, path: &str) -> Option<PathBuf> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        (parts.len() >= 2 && parts.iter().all(|part| is_plain(part))).then(|| self.root.join(parts.join("/")))
    }

    async fn take(&self, request: Request<Body>) -> Response<Body> {
        if let Some(list) = List::asked(request.method(), request.uri()) {
            let Some(bucket) = list.plain().then(|| self.root.join(&list.bucket)) else {
                return refuse(StatusCode::BAD_REQUEST, "InvalidArgument");
            };
            return tell(tokio::task::spawn_blocking(move || list.read(&bucket)).await, &Method::GET);
        }
        let Some(file) = self.file(request.uri().path()) else {
            return refuse(StatusCode::BAD_REQUEST, "InvalidURI");
        };
        let method = request.method().clone();
        let body = match Limited::new(request.into_body(), self.object_bytes_max).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                return refuse(StatusCode::BAD_REQUEST, "EntityTooLarge");
            }
            Err(_) => return refuse(StatusCode::BAD_REQUEST, "IncompleteBody"),
        };
        let work = match method {
            Method::PUT => tokio::task::spawn_blocking(move || write(&file, &body)),
            Method::GET | Method::HEAD => tokio::task::spawn_blocking(move || read(&file)),
            Method::DELETE => tokio::task::spawn_blocking(move || remove(&file)),
            _ => return refuse(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
        };
        tell(work.await, &method)
    }
}

type Work = Result<std::io::Result<Done>, tokio::task::JoinError>;

/// The answer to what was done.
fn tell(work: Work, method: &Method) -> Response<Body> {
    match work.map_err(std::io::Error::other).flatten() {
        Ok(Done::Listed(list)) => answer(StatusCode::OK, full_body(list)),
        Ok(Done::Written) => answer(StatusCode::OK, empty_body()),
        Ok(Done::Found(bytes)) => answer(StatusCode::OK, full_body(bytes)),
        Ok(Done::Removed) => answer(StatusCode::NO_CONTENT, empty_body()),
        Ok(Done::Missing) => refuse(StatusCode::NOT_FOUND, "NoSuchKey"),
        Err(error) => {
            tracing::error!(%error, %method, "the object folder failed");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
        }
    }
}

/// What a list is asked of.
struct List {
    bucket: String,
    /// The folder, with its `/`; nothing for the bucket itself.
    prefix: String,
    /// The last key that was listed before.
    after: String,
}

impl List {
    /// The list that a request asks for, where it asks for one.
    fn asked(method: &Method, uri: &http::Uri) -> Option<Self> {
        let arguments: Vec<(&str, String)> = uri
            .query()?
            .split('&')
            .filter_map(|argument| {
                let (name, value) = argument.split_once('=')?;
                Some((name, value.replace("%2F", "/").replace("%2f", "/")))
            })
            .collect();
        let argument =
            |name: &str| arguments.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        if method != Method::GET || argument("list-type")? != "2" {
            return None;
        }
        Some(Self {
            bucket: uri.path().trim_matches('/').to_owned(),
            prefix: argument("prefix").unwrap_or_default(),
            after: argument("continuation-token").unwrap_or_default(),
        })
    }

    /// Whether the words can mean nothing but a bucket, a folder in it, and a key.
    fn plain(&self) -> bool {
        let folder = self.prefix.strip_suffix('/').unwrap_or(&self.prefix);
        let ends = self.prefix.is_empty() || self.prefix.ends_with('/');
        is_plain(&self.bucket)
            && ends
            && [folder, self.after.as_str()]
                .into_iter()
                .all(|key| key.is_empty() || key.split('/').all(is_plain))
    }

    /// Lists the objects under the prefix, in the order of their keys.
    fn read(&self, bucket: &Path) -> std::io::Result<Done> {
        let mut keys = Vec::new();
        gather(&bucket.join(&self.prefix), &self.prefix, &mut keys)?;
        keys.sort_unstable();
        keys.retain(|key| *key > self.after);
        let more = keys.len() > LISTED_MAX;
        keys.truncate(LISTED_MAX);
        let next = keys
            .last()
            .filter(|_| more)
            .map(|last| format!("<NextContinuationToken>{last}</NextContinuationToken>"));
        // Keys are plain: nothing in them is to be escaped.
        let contents: String =
            keys.iter().map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
        Ok(Done::Listed(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><EncodingType>url</EncodingType>\
             <IsTruncated>{more}</IsTruncated>{}{contents}</ListBucketResult>",
            next.unwrap_or_default()
        )))
    }
}

/// The keys of the objects in a folder and those in it.
fn gather(folder: &Path, prefix: &str, keys: &mut Vec<String>) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_missing(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        // What is being written has another name.
        let Some(name) = entry.file_name().to_str().filter(|name| is_plain(name)).map(str::to_owned) else {
            continue;
        };
        if entry.file_type()?.is_dir() {
            gather(&entry.path(), &format!("{prefix}{name}/"), keys)?;
        } else {
            keys.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

/// Whether a word can mean nothing but a file or folder of that name.
fn is_plain(part: &str) -> bool {
    (1..=128).contains(&part.len())
        && !part.starts_with('.')
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

impl InProcess for ObjectFolder {
    fn host(&self) -> &str {
        &self.host
    }

    fn answer(&self, request: Request<Body>) -> Pending<'_, Response<Body>> {
        Box::pin(self.take(request))
    }
}

fn write(file: &Path, bytes: &[u8]) -> std::io::Result<Done> {
    let folder = file.parent().unwrap_or(Path::new("."));
    create_folder(folder)?;
    let mut whole = tempfile::NamedTempFile::new_in(folder)?;
    whole.write_all(bytes)?;
    whole.as_file().sync_all()?;
    whole.persist(file)?;
    // The name is part of what has to be on disk.
    std::fs::File::open(folder)?.sync_all()?;
    Ok(Done::Written)
}

fn read(file: &Path) -> std::io::Result<Done> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(Done::Found(bytes)),
        Err(error) if is_missing(&error) => Ok(Done::Missing),
        Err(error) => Err(error),
    }
}

fn remove(file: &Path) -> std::io::Result<Done> {
    match std::fs::remove_file(file) {
        Ok(()) => Ok(Done::Removed),
        Err(error) if is_missing(&error) => Ok(Done::Removed),
        Err(error) => Err(error),
    }
}

fn is_missing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory)
}

fn answer(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn refuse(status: StatusCode, code: &str) -> Response<Body> {
    answer(status, full_body(format!("<Error><Code>{code}</Code></Error>")))
}

#[cfg(test)]
mod tests {
    use edge_runtime::full_body;
    use edge_runtime::outbound::InProcess as _;
    use http::{Method, Request};
    use http_body_util::BodyExt as _;

    use super::ObjectFolder;

    async fn ask(folder: &ObjectFolder, method: Method, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let request = Request::builder().method(method).uri(path).body(full_body(body.to_vec()));
        let response = folder.answer(request.expect("a request")).await;
        let status = response.status().as_u16();
        (status, response.into_body().collect().await.expect("a body").to_bytes().to_vec())
    }

    #[tokio::test]
    async fn objects_are_written_read_and_removed() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = ObjectFolder::open("objects", root.path(), 100).expect("opened");
        let path = "/walks/photos/a?X-Amz-Signature=0";
        for (method, body, expected) in [
            (Method::GET, &b""[..], (404, &b"<Error><Code>NoSuchKey</Code></Error>"[..])),
            (Method::PUT, b"first", (200, b"")),
            (Method::PUT, b"second", (200, b"")),
            (Method::GET, b"", (200, b"second")),
            (Method::PUT, &[0; 101], (400, b"<Error><Code>EntityTooLarge</Code></Error>")),
            (Method::GET, b"", (200, b"second")),
            (Method::DELETE, b"", (204, b"")),
            (Method::DELETE, b"", (204, b"")),
            (Method::POST, b"", (405, b"<Error><Code>MethodNotAllowed</Code></Error>")),
        ] {
            let (status, text) = ask(&folder, method.clone(), path, body).await;
            assert_eq!((status, &text[..]), expected, "{method}");
        }
        assert_eq!(ask(&folder, Method::GET, "/walks/photos", b"").await.0, 404, "a folder is no object");
    }

    #[tokio::test]
    async fn what_is_under_a_folder_is_listed_in_parts() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = ObjectFolder::open("objects", root.path(), 100).expect("opened");
        let count = super::LISTED_MAX + 5;
        for n in 0..count {
            ask(&folder, Method::PUT, &format!("/walks/photos/a/{n:04}"), b"x").await;
        }
        for other in ["/walks/photos/ab/1", "/walks/photos/b", "/others/photos/a/1"] {
            assert_eq!(ask(&folder, Method::PUT, other, b"x").await.0, 200);
        }
        std::fs::write(root.path().join("walks/photos/a/.half"), "written").expect("written");
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let path = format!("/walks/?list-type=2&prefix=photos%2Fa%2F&continuation-token={token}");
            let (status, text) = ask(&folder, Method::GET, &path, b"").await;
            assert_eq!(status, 200);
            let text = String::from_utf8(text).expect("text");
            let of = |tag: &str| -> Vec<String> {
                let opening = format!("<{tag}>");
                let parts = text.split(&opening).skip(1);
                parts.map(|part| part.split('<').next().unwrap_or_default().to_owned()).collect()
            };
            found.extend(of("Key"));
            match of("NextContinuationToken").pop() {
                Some(next) => token = next,
                None => break,
            }
        }
        let expected: Vec<String> = (0..count).map(|n| format!("photos/a/{n:04}")).collect();
        assert_eq!(found, expected);
        let nothing = ask(&folder, Method::GET, "/walks?list-type=2&prefix=photos/none/", b"").await;
        assert!(nothing.0 == 200 && !String::from_utf8_lossy(&nothing.1).contains("<Key>"));
        for bad in [
            "/walks/?list-type=2&prefix=../",
            "/walks/?list-type=2&prefix=photos/a",
            "/walks/?list-type=2&prefix=photos/%2e%2e/",
            "/../?list-type=2&prefix=photos/",
            "/a/b/?list-type=2&prefix=photos/",
            "/?list-type=2&prefix=photos/",
        ] {
            assert_eq!(ask(&folder, Method::GET, bad, b"").await.0, 400, "{bad}");
        }
    }

    #[tokio::test]
    async fn no_name_leads_out_of_the_folder() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::write(root.path().join("secret"), "x").expect("written");
        let inner = root.path().join("inner");
        let folder = ObjectFolder::open("objects", &inner, 100).expect("opened");
        for path in [
            "/walks/../../secret",
            "/../secret",
            "/walks",
            "/",
            "//a",
            "/walks//a",
            "/walks/.hidden",
            "/walks/%2e%2e/a",
            "/walks/a%00",
        ] {
            assert_eq!(ask(&folder, Method::PUT, path, b"x").await.0, 400, "{path}");
        }
        assert_eq!(std::fs::read_dir(&inner).expect("read").count(), 0);
    }
}
