//! Pets.

use petwalker_kernel::{AccountId, PetId, UtcMillis};
use serde::{Deserialize, Serialize};

use super::{Invalid, has_length, invalid};

/// What kind of animal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Species {
    /// A dog.
    Dog,
    /// A cat.
    Cat,
    /// Another animal that is walked.
    Other,
}

/// How big.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PetSize {
    /// Up to 10 kg.
    Small,
    /// Up to 25 kg.
    Medium,
    /// Up to 45 kg.
    Large,
    /// Above.
    Giant,
}

impl PetSize {
    /// The size of a weight.
    #[must_use]
    pub const fn of(weight_g: u32) -> Self {
        match weight_g {
            0..=10_000 => Self::Small,
            10_001..=25_000 => Self::Medium,
            25_001..=45_000 => Self::Large,
            _ => Self::Giant,
        }
    }
}

/// What a tutor tells of a pet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PetDetails {
    /// Its name.
    pub name: String,
    /// Kind of animal.
    pub species: Species,
    /// Grams.
    pub weight_g: u32,
    /// `YYYY-MM-DD`.
    pub birth_date: String,
    /// Known conditions.
    pub conditions: Vec<String>,
    /// How it is with others.
    pub temperament: String,
}

/// A pet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pet {
    /// Its id.
    pub id: PetId,
    /// Its tutor.
    pub tutor_id: AccountId,
    /// The details.
    pub details: PetDetails,
}

impl PetDetails {
    /// Checks the details.
    ///
    /// # Errors
    /// When one is out of its range.
    pub fn check(&self, now: UtcMillis) -> Result<(), Invalid> {
        if !has_length(&self.name, 1..=60) {
            return invalid("name", "must have 1 to 60 characters");
        }
        if !(100..=150_000).contains(&self.weight_g) {
            return invalid("weight_g", "must be 100 to 150000 grams");
        }
        let born = self.birth_date.parse::<jiff::civil::Date>().ok().filter(|_| self.birth_date.len() == 10);
        let today = jiff::Timestamp::from_millisecond(now.get())
            .map(|t| t.to_zoned_datetime(jiff::tz::TimeZone::UTC).date());
        let plausible = match (born, today) {
            (Some(born), Ok(today)) => born <= today && born.year() > today.year() - 60,
            _ => false,
        };
        if !plausible {
            return invalid("birth_date", "must be a past day as YYYY-MM-DD");
        }
        if self.conditions.len() > 20 || !self.conditions.iter().all(|c| has_length(c, 1..=60)) {
            return invalid("conditions", "may be 20 of 1 to 60 characters");
        }
        if self.temperament.chars().count() > 400 {
            return invalid("temperament", "may have 400 characters");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{PetDetails, PetSize, Species};
    use petwalker_kernel::UtcMillis;

    #[test]
    fn details_are_named_where_they_are_bad() {
        let good = PetDetails {
            name: "Rex".into(),
            species: Species::Dog,
            weight_g: 12_000,
            birth_date: "2020-02-29".into(),
            conditions: vec![],
            temperament: String::new(),
        };
        let now = UtcMillis::new(1_780_000_000_000);
        assert_eq!(good.check(now), Ok(()));
        for (details, field) in [
            (PetDetails { name: String::new(), ..good.clone() }, "name"),
            (PetDetails { weight_g: 99, ..good.clone() }, "weight_g"),
            (PetDetails { birth_date: "2021-02-29".into(), ..good.clone() }, "birth_date"),
            (PetDetails { birth_date: "2999-01-01".into(), ..good.clone() }, "birth_date"),
            (PetDetails { birth_date: "yesterday".into(), ..good.clone() }, "birth_date"),
            (PetDetails { conditions: vec!["x".into(); 21], ..good.clone() }, "conditions"),
            (PetDetails { temperament: "x".repeat(401), ..good.clone() }, "temperament"),
        ] {
            assert_eq!(details.check(now).err().map(|e| e.field), Some(field));
        }
    }

    #[test]
    fn weights_have_sizes() {
        for (weight, size) in [
            (10_000, PetSize::Small),
            (10_001, PetSize::Medium),
            (45_000, PetSize::Large),
            (45_001, PetSize::Giant),
        ] {
            assert_eq!(PetSize::of(weight), size);
        }
    }
}
