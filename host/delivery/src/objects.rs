//! A folder that answers as an S3-compatible store does, to components only.
//!
//! Of the Amazon S3 API it has what components use of a bucket: PUT, GET, HEAD and DELETE of objects, path style. Requests
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

/// What became of a request.
enum Done {
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
        let plain = |part: &&str| {
            (1..=128).contains(&part.len())
                && !part.starts_with('.')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        (parts.len() >= 2 && parts.iter().all(plain)).then(|| self.root.join(parts.join("/")))
    }

    async fn take(&self, request: Request<Body>) -> Response<Body> {
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
        let done = work.await.map_err(std::io::Error::other).flatten();
        match done {
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
