//! The store's side: where it is, and under which addresses it keeps what.

use std::time::Duration;

use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
use url::Url;

/// An address may be used this long.
const VALID: Duration = Duration::from_secs(300);

/// The variables that say where the store is.
#[derive(Clone, Debug, Default)]
pub struct StoreSettings {
    /// Such as `https://s3.sa-east-1.amazonaws.com`.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// The key's name; empty for a store that asks for none.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
}

/// Settings that name no store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the photo store's settings name none: {0}")]
pub struct BadStore(String);

/// The name of a photo: parts of letters, digits and `-`, so that it means the same to every store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key of these words; none for others.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let part = |part: &str| {
            (1..=64).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        (text.len() <= 200 && text.split('/').all(part)).then(|| Self(text.to_owned()))
    }
}

/// A bucket of an S3-compatible store (Amazon S3 API, path style, Signature Version 4 in the query).
pub struct Store {
    bucket: Bucket,
    credentials: Option<Credentials>,
}

impl Store {
    /// The store of these settings.
    ///
    /// # Errors
    /// When they name none.
    pub fn new(settings: StoreSettings) -> Result<Self, BadStore> {
        let endpoint = Url::parse(&settings.endpoint).map_err(|e| BadStore(e.to_string()))?;
        let bucket = Bucket::new(endpoint, UrlStyle::Path, settings.bucket, settings.region)
            .map_err(|e| BadStore(e.to_string()))?;
        let named = !settings.access_key.is_empty();
        let credentials = named.then(|| Credentials::new(settings.access_key, settings.secret_key));
        Ok(Self { bucket, credentials })
    }

    /// Where to PUT a photo.
    #[must_use]
    pub fn put(&self, key: &Key) -> Url {
        unasked(self.bucket.put_object(self.credentials.as_ref(), &key.0).sign(VALID))
    }

    /// Where to GET it.
    #[must_use]
    pub fn get(&self, key: &Key) -> Url {
        unasked(self.bucket.get_object(self.credentials.as_ref(), &key.0).sign(VALID))
    }

    /// Where to DELETE it.
    #[must_use]
    pub fn delete(&self, key: &Key) -> Url {
        self.delete_listed(&key.0)
    }

    /// Where to DELETE what a list named.
    #[must_use]
    pub fn delete_listed(&self, key: &str) -> Url {
        unasked(self.bucket.delete_object(self.credentials.as_ref(), key).sign(VALID))
    }

    /// Where to GET a list of what is under a key, from where the last list ended.
    #[must_use]
    pub fn list(&self, key: &Key, token: Option<String>) -> Url {
        let mut list = self.bucket.list_objects_v2(self.credentials.as_ref());
        list.with_prefix(under(key));
        if let Some(token) = token {
            list.with_continuation_token(token);
        }
        list.sign(VALID)
    }
}

fn under(key: &Key) -> String {
    format!("{}/", key.0)
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Keys.
    pub keys: Vec<String>,
    /// By what the next part is asked for; none in the last one.
    pub next: Option<String>,
}

/// Reads a list of what is under a key. What else the store may have listed is passed over.
///
/// # Errors
/// When it is none.
pub fn read_list(key: &Key, answer: &[u8]) -> Result<Listed, BadStore> {
    let text = std::str::from_utf8(answer).map_err(|e| BadStore(e.to_string()))?;
    let page = ListObjectsV2::parse_response(text).map_err(|e| BadStore(format!("no list: {e}")))?;
    let mut keys: Vec<String> = page.contents.into_iter().map(|object| object.key).collect();
    keys.retain(|listed| listed.starts_with(&under(key)));
    Ok(Listed { keys, next: page.next_continuation_token })
}

/// Without a signature nothing is asked in the query.
fn unasked(mut url: Url) -> Url {
    if url.query() == Some("") {
        url.set_query(None);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::{Key, Store, StoreSettings, read_list};

    #[test]
    fn keys_mean_the_same_to_every_store() {
        for (text, good) in [
            ("photos/0197b9a1-7c00-7000-8000-000000000001/a", true),
            ("", false),
            ("photos//a", false),
            ("photos/../a", false),
            ("photos/a?x", false),
            ("/photos/a", false),
            ("photos/a%2fb", false),
        ] {
            assert_eq!(Key::new(text).is_some(), good, "{text}");
        }
        assert!(Key::new(&"a".repeat(65)).is_none());
    }

    #[test]
    fn addresses_are_signed_where_there_is_a_key() {
        let settings = StoreSettings {
            endpoint: "http://127.0.0.1:9000".to_owned(),
            bucket: "walks".to_owned(),
            region: "here".to_owned(),
            ..StoreSettings::default()
        };
        let key = Key::new("photos/a").expect("a key");
        let open = Store::new(settings.clone()).expect("a store");
        assert_eq!(open.get(&key).as_str(), "http://127.0.0.1:9000/walks/photos/a");
        let keyed =
            StoreSettings { access_key: "me".to_owned(), secret_key: "secret".to_owned(), ..settings };
        let signed = Store::new(keyed).expect("a store").put(&key);
        assert!(
            signed.as_str().contains("X-Amz-Signature=") && !signed.as_str().contains("secret"),
            "{signed}"
        );
        assert!(Store::new(StoreSettings::default()).is_err());
    }

    #[test]
    fn a_list_is_of_what_is_under_the_key_and_goes_on() {
        let key = Key::new("photos/a").expect("a key");
        let page = |more: &str| {
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
                 <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><EncodingType>url</EncodingType>\
                 <Contents><Key>photos%2Fa%2F1</Key><Size>5</Size></Contents><Contents><Key>photos/a/2</Key></Contents>\
                 <Contents><Key>photos/ab/3</Key></Contents>{more}</ListBucketResult>"
            )
        };
        let last = read_list(&key, page("<IsTruncated>false</IsTruncated>").as_bytes()).expect("a list");
        assert_eq!(
            (last.keys.as_slice(), last.next),
            (&["photos/a/1".to_owned(), "photos/a/2".to_owned()][..], None)
        );
        let more = "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>";
        assert_eq!(read_list(&key, page(more).as_bytes()).expect("a list").next.as_deref(), Some("t"));
        for bad in ["", "<html/>", "<ListBucketResult", "\u{0}"] {
            assert!(read_list(&key, bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
