//! The component: the store over HTTP.

mod bindings;
mod http;

use ::http::StatusCode;
use spin_sdk::wasip3::http::types::Method;
use url::Url;

use self::bindings::Component;
use self::bindings::exports::petwalker::media::photos::{self as wit, Refusal, RefusalCode};
use crate::domain::{BadPhoto, Key, PHOTO_BYTES_MAX, PhotoType, Store, StoreSettings, clean, read_list};

impl wit::Guest for Component {
    async fn store(key: String, bytes: Vec<u8>) -> Result<wit::PhotoType, Refusal> {
        let key = known(&key)?;
        let photo = clean(&bytes)?;
        let kind = photo.photo_type;
        let status = send(&store().await?.put(&key), kind, photo.bytes).await?;
        if status.is_success() { Ok(kind.into()) } else { Err(unexpected("PUT", status)) }
    }

    async fn fetch(key: String) -> Result<wit::Photo, Refusal> {
        let key = known(&key)?;
        let (status, bytes) = ask(Method::Get, &store().await?.get(&key)).await?;
        match (status, PhotoType::of(&bytes)) {
            (StatusCode::OK, Some(kind)) => Ok(wit::Photo { photo_type: kind.into(), bytes }),
            (StatusCode::OK, None) => Err(unavailable("the store holds something else under a photo's key")),
            (StatusCode::NOT_FOUND, _) => Err(Refusal {
                code: RefusalCode::NotFound,
                message: "there is no such photo".to_owned(),
                field: None,
            }),
            (status, _) => Err(unexpected("GET", status)),
        }
    }

    async fn remove_all(key: String) -> Result<(), Refusal> {
        let (key, store) = (known(&key)?, store().await?);
        let mut token = None;
        loop {
            let (status, answer) = ask(Method::Get, &store.list(&key, token)).await?;
            if status != StatusCode::OK {
                return Err(unexpected("GET of a list", status));
            }
            let listed = read_list(&key, &answer).map_err(|bad| unavailable(bad.to_string()))?;
            for object in &listed.keys {
                delete(&store.delete_listed(object)).await?;
            }
            match listed.next {
                Some(next) => token = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn remove(keys: Vec<String>) -> Result<(), Refusal> {
        let keys = keys.iter().map(|key| known(key)).collect::<Result<Vec<_>, _>>()?;
        let store = store().await?;
        for key in keys {
            delete(&store.delete(&key)).await?;
        }
        Ok(())
    }
}

async fn delete(url: &Url) -> Result<(), Refusal> {
    let (status, _) = ask(Method::Delete, url).await?;
    let gone = status.is_success() || status == StatusCode::NOT_FOUND;
    if gone { Ok(()) } else { Err(unexpected("DELETE", status)) }
}

fn known(key: &str) -> Result<Key, Refusal> {
    Key::new(key).ok_or_else(|| Refusal {
        code: RefusalCode::Invalid,
        message: "must be parts of letters, digits and '-', joined by '/'".to_owned(),
        field: Some("key".to_owned()),
    })
}

/// The store that the application's variables name.
async fn store() -> Result<Store, Refusal> {
    let variable = async |name: &str| spin_sdk::variables::get(name).await.unwrap_or_default();
    let settings = StoreSettings {
        endpoint: variable("media_endpoint").await,
        bucket: variable("media_bucket").await,
        region: variable("media_region").await,
        access_key: variable("media_access_key").await,
        secret_key: variable("media_secret_key").await,
    };
    Store::new(settings).map_err(|bad| unavailable(bad.to_string()))
}

/// The most that the store is believed to answer: a photo, or a refusal.
const ANSWER_BYTES_MAX: usize = PHOTO_BYTES_MAX + (64 << 10);

async fn ask(method: Method, url: &Url) -> Result<(StatusCode, Vec<u8>), Refusal> {
    http::ask(method, url, &[], None, ANSWER_BYTES_MAX)
        .await
        .map_err(|failed| unavailable(failed.to_string()))
}

async fn send(url: &Url, kind: PhotoType, bytes: Vec<u8>) -> Result<StatusCode, Refusal> {
    let headers = [
        ("content-type".to_owned(), content_type(kind).as_bytes().to_vec()),
        ("content-length".to_owned(), bytes.len().to_string().into_bytes()),
    ];
    let answer = http::ask(Method::Put, url, &headers, Some(bytes), ANSWER_BYTES_MAX).await;
    answer.map(|(status, _)| status).map_err(|failed| unavailable(failed.to_string()))
}

fn unavailable(message: impl Into<String>) -> Refusal {
    let message = format!("the photo store cannot be used: {}", message.into());
    Refusal { code: RefusalCode::Unavailable, message, field: None }
}

fn unexpected(method: &str, status: StatusCode) -> Refusal {
    unavailable(format!("it answered {status} to {method}"))
}

const fn content_type(kind: PhotoType) -> &'static str {
    match kind {
        PhotoType::Jpeg => "image/jpeg",
        PhotoType::Png => "image/png",
        PhotoType::Webp => "image/webp",
    }
}

impl From<PhotoType> for wit::PhotoType {
    fn from(kind: PhotoType) -> Self {
        match kind {
            PhotoType::Jpeg => Self::Jpeg,
            PhotoType::Png => Self::Png,
            PhotoType::Webp => Self::Webp,
        }
    }
}

impl From<BadPhoto> for Refusal {
    fn from(bad: BadPhoto) -> Self {
        let code = match bad {
            BadPhoto::Unknown => RefusalCode::UnsupportedMediaType,
            BadPhoto::Damaged | BadPhoto::TooLarge | BadPhoto::TooManyPixels => RefusalCode::Invalid,
        };
        Self { code, message: bad.to_string(), field: Some("photo".to_owned()) }
    }
}
