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

/// The key of a ride's photos in the store.
fn folder(id: &str) -> String {
    format!("photos/{id}")
}

/// The key of a mark's photo in the store.
fn key(id: &str, mark_id: &str) -> String {
    format!("{}/{mark_id}", folder(id))
}

/// Whether there is a mark of the kind photo, hidden or not.
fn is_photographed(id: &str, mark_id: &str) -> Outcome<bool> {
    let marks = routes::marks_of(id, None)?;
    Ok(marks.iter().any(|mark| mark.id == mark_id && mark.kind == MarkKind::Photo))
}

/// Removes a mark of a walk that is under way, and its photo.
pub async fn remove(caller: &Caller, id: &str, mark_id: &str) -> Outcome<()> {
    may_mark(caller, id)?;
    let photo = is_photographed(id, mark_id)?;
    // The photo first: should the rest fail, the mark still leads to it. And once more: one that came meanwhile saw the mark.
    if photo {
        photos::remove(vec![key(id, mark_id)]).await?;
    }
    routes::remove_mark(id, mark_id)?;
    if photo {
        photos::remove(vec![key(id, mark_id)]).await?;
    }
    Ok(())
}

/// The mark of a photo, where the caller may see it.
fn photographed(caller: &Caller, id: &str, mark_id: &str) -> Outcome<()> {
    let marks = list(caller, id)?;
    let found = marks.iter().any(|mark| mark.id == mark_id && mark.kind == MarkKind::Photo);
    if found { Ok(()) } else { Err(no_photo()) }
}

fn no_photo() -> Problem {
    Problem::new("not-found", "there is no such mark of the kind photo")
}

/// Stores the photo of a mark of a walk that is under way.
pub async fn put_photo(caller: &Caller, id: &str, mark_id: &str, bytes: Vec<u8>) -> Outcome<PhotoType> {
    may_mark(caller, id)?;
    photographed(caller, id, mark_id)?;
    let stored = photos::store(key(id, mark_id), bytes).await?;
    // The mark may have gone while the photo came: then nothing leads to it.
    if is_photographed(id, mark_id)? {
        return Ok(stored);
    }
    photos::remove(vec![key(id, mark_id)]).await?;
    Err(no_photo())
}

/// The photo of a mark, as the caller may see it.
pub async fn photo(caller: &Caller, id: &str, mark_id: &str) -> Outcome<Photo> {
    photographed(caller, id, mark_id)?;
    Ok(photos::fetch(key(id, mark_id)).await?)
}

/// Erases every photo of a ride, whatever marks there are now, then its points and marks.
pub async fn erase_all(id: &str) -> Outcome<()> {
    let photos = routes::photographed(id)?;
    if photos {
        photos::remove_all(folder(id)).await?;
    }
    routes::erase(id)?;
    // One that came meanwhile saw its mark.
    if photos {
        photos::remove_all(folder(id)).await?;
    }
    Ok(())
}

/// The marks of a route, as the caller may see it.
pub fn list(caller: &Caller, id: &str) -> Outcome<Vec<Mark>> {
    let ride = super::ride(caller, id)?;
    let hidden = live::home(caller, &ride).filter(|_| live::is_over(ride.state));
    Ok(routes::marks_of(id, hidden)?)
}
