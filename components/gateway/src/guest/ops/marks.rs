//! Marks on routes.

use super::Outcome;
use crate::guest::api::MarkBody;
use crate::guest::bindings::petwalker::identity::accounts::Caller;
use crate::guest::bindings::petwalker::media::photos::{self, Photo, PhotoType};
use crate::guest::bindings::petwalker::tracking::routes::{self, Mark, MarkKind};
use crate::guest::live;
use crate::guest::problem::Problem;

/// That the caller is the walker of a walk that is under way.
fn may_mark(caller: &Caller, id: &str) -> Outcome<()> {
    let ride = super::ride(caller, id)?;
    if ride.walker_id.as_ref() != Some(&caller.account_id) {
        return Err(Problem::new("forbidden", "only the ride's walker marks its route"));
    }
    if !live::is_under_way(ride.state) {
        return Err(Problem::new("not-active", "marks are taken while the walk is under way"));
    }
    Ok(())
}

/// Writes a mark of a walk that is under way.
pub fn put(caller: &Caller, id: &str, mark_id: String, body: MarkBody) -> Outcome<Mark> {
    may_mark(caller, id)?;
    let mark = Mark { id: mark_id, kind: body.kind, at: body.at, place: body.place };
    routes::put_mark(id, &mark)?;
    Ok(mark)
}

/// The key of a mark's photo in the store.
fn key(id: &str, mark_id: &str) -> String {
    format!("photos/{id}/{mark_id}")
}

/// Removes a mark of a walk that is under way, and its photo.
pub async fn remove(caller: &Caller, id: &str, mark_id: &str) -> Outcome<()> {
    may_mark(caller, id)?;
    // The photo first: should the rest fail, the mark still leads to it.
    let marks = routes::marks_of(id, None)?;
    if marks.iter().any(|mark| mark.id == mark_id && mark.kind == MarkKind::Photo) {
        photos::remove(vec![key(id, mark_id)]).await?;
    }
    routes::remove_mark(id, mark_id)?;
    Ok(())
}

/// The mark of a photo, where the caller may see it.
fn photographed(caller: &Caller, id: &str, mark_id: &str) -> Outcome<()> {
    let marks = list(caller, id)?;
    let found = marks.iter().any(|mark| mark.id == mark_id && mark.kind == MarkKind::Photo);
    if found { Ok(()) } else { Err(Problem::new("not-found", "there is no such mark of the kind photo")) }
}

/// Stores the photo of a mark of a walk that is under way.
pub async fn put_photo(caller: &Caller, id: &str, mark_id: &str, bytes: Vec<u8>) -> Outcome<PhotoType> {
    may_mark(caller, id)?;
    photographed(caller, id, mark_id)?;
    Ok(photos::store(key(id, mark_id), bytes).await?)
}

/// The photo of a mark, as the caller may see it.
pub async fn photo(caller: &Caller, id: &str, mark_id: &str) -> Outcome<Photo> {
    photographed(caller, id, mark_id)?;
    Ok(photos::fetch(key(id, mark_id)).await?)
}

/// Erases the photos of a ride, then its points and marks.
pub async fn erase_all(id: &str) -> Outcome<()> {
    let marks = routes::marks_of(id, None)?;
    let taken = marks.iter().filter(|mark| mark.kind == MarkKind::Photo);
    let keys: Vec<String> = taken.map(|mark| key(id, &mark.id)).collect();
    if !keys.is_empty() {
        photos::remove(keys).await?;
    }
    routes::erase(id)?;
    Ok(())
}

/// The marks of a route, as the caller may see it.
pub fn list(caller: &Caller, id: &str) -> Outcome<Vec<Mark>> {
    let ride = super::ride(caller, id)?;
    let hidden = live::home(caller, &ride).filter(|_| live::is_over(ride.state));
    Ok(routes::marks_of(id, hidden)?)
}
