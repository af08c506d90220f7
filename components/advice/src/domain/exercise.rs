//! Too much and too little.

use super::{Advice, Pet, Severity, Walk};

/// Minutes in motion a day that a grown, healthy animal should have.
const MINUTES_A_DAY: u64 = 30;
/// A day this many times the others' mean is a sudden increase.
const SUDDEN: u64 = 2;
/// Minutes in the six days before that make a habit.
const HABIT_MIN: u64 = 90;
/// Minutes a day with which joints or a puppy should do.
const GENTLE_MINUTES: u64 = 35;

/// Advice from the last seven days' walks.
#[must_use]
pub fn exercise(pet: &Pet, walks: &[Walk]) -> Vec<Advice> {
    let mut days = [0_u64; 7];
    for walk in walks {
        if let Some(day) = days.get_mut(walk.days_ago as usize) {
            *day = day.saturating_add(walk.moving_ms / 60_000);
        }
    }
    let week: u64 = days.iter().fold(0, |sum, day| sum.saturating_add(*day));
    if week == 0 {
        let text = "No walks are recorded for a week. Start with short ones.".to_owned();
        let reasons = vec!["0 min in motion in seven days".to_owned()];
        return vec![Advice { code: "no-walks", severity: Severity::Info, text, reasons }];
    }
    let busiest = days.iter().max().copied().unwrap_or(0);
    let mut all = Vec::new();
    all.extend(gentle(pet, busiest));
    all.extend(sudden(days[0], week - days[0]));
    if all.is_empty() && pet.is_dog && week < MINUTES_A_DAY * 7 {
        all.push(Advice {
            code: "too-little",
            severity: Severity::Info,
            text: "A little more would do good: add a short walk on the quiet days.".to_owned(),
            reasons: vec![format!("{week} min in motion in seven days, {} are usual", MINUTES_A_DAY * 7)],
        });
    }
    all
}

/// Joints and puppies: several short walks instead of a long one.
fn gentle(pet: &Pet, busiest: u64) -> Option<Advice> {
    if busiest <= GENTLE_MINUTES {
        return None;
    }
    let (code, reason) = match pet.joint_risk() {
        Some(condition) => ("joints", format!("known condition: {condition}")),
        None if pet.age_months < 12 => ("puppy", format!("{} months old: joints still grow", pet.age_months)),
        None => return None,
    };
    Some(Advice {
        code,
        severity: Severity::Caution,
        text: "Prefer several short walks to one long one.".to_owned(),
        reasons: vec![reason, format!("{busiest} min in motion on the busiest day")],
    })
}

/// Today against the mean of the six days before.
fn sudden(today: u64, before: u64) -> Option<Advice> {
    // With hardly a walk before there is no habit to compare with.
    if before < HABIT_MIN {
        return None;
    }
    let mean = before / 6;
    (today > mean.saturating_mul(SUDDEN)).then(|| Advice {
        code: "sudden-increase",
        severity: Severity::Caution,
        text: "Much more than usual today: let tomorrow be a quiet day and look at paws and gait.".to_owned(),
        reasons: vec![format!("{today} min today, {mean} min a day in the six days before")],
    })
}
