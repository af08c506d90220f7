//! Marks on routes.

use super::Outcome;
use crate::guest::api::MarkBody;
use crate::guest::bindings::petwalker::identity::accounts::Caller;
use crate::guest::bindings::petwalker::matching::rides;
use crate::guest::bindings::petwalker::tracking::routes::{self, Mark};
use crate::guest::live;
use crate::guest::problem::Problem;

/// That the caller is the walker of a walk that is under way.
fn may_mark(caller: &Caller, id: &str) -> Outcome<()> {
    let ride = rides::get(caller, id)?;
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

/// Removes a mark of a walk that is under way.
pub fn remove(caller: &Caller, id: &str, mark_id: &str) -> Outcome<()> {
    may_mark(caller, id)?;
    routes::remove_mark(id, mark_id)?;
    Ok(())
}

/// The marks of a route, as the caller may see it.
pub fn list(caller: &Caller, id: &str) -> Outcome<Vec<Mark>> {
    let ride = rides::get(caller, id)?;
    let hidden = live::home(caller, &ride).filter(|_| live::is_over(ride.state));
    Ok(routes::marks_of(id, hidden)?)
}
