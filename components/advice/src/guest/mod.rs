//! The component: bindings, and conversions between them and the domain.

mod bindings;

use self::bindings::Component;
use self::bindings::exports::petwalker::advice::health as wit;
use crate::domain::{Advice, Pet, Severity, Walk, Weather, advise};

impl wit::Guest for Component {
    fn advise(
        pet: wit::PetFacts,
        weather: Option<wit::Weather>,
        walks: Vec<wit::PastWalk>,
    ) -> Result<Vec<wit::AdviceItem>, wit::BadInput> {
        let pet = Pet {
            is_dog: pet.species == wit::Species::Dog,
            weight_g: pet.weight_g,
            age_months: pet.age_months,
            conditions: pet.conditions.iter().map(|c| c.to_lowercase()).collect(),
        };
        let weather =
            weather.map(|w| Weather { temperature_c: w.temperature_c, humidity_pct: w.humidity_pct });
        let walk = |w: &wit::PastWalk| Walk {
            days_ago: w.days_ago,
            distance_m: w.distance_m,
            moving_ms: w.moving_ms,
        };
        match advise(&pet, weather, &walks.iter().map(walk).collect::<Vec<_>>()) {
            Ok(advice) => Ok(advice.into_iter().map(item).collect()),
            Err(bad) => Err(wit::BadInput { field: bad.field.to_owned(), message: bad.message.to_owned() }),
        }
    }
}

fn item(advice: Advice) -> wit::AdviceItem {
    wit::AdviceItem {
        code: advice.code.to_owned(),
        severity: match advice.severity {
            Severity::Info => wit::Severity::Info,
            Severity::Caution => wit::Severity::Caution,
            Severity::Danger => wit::Severity::Danger,
        },
        text: advice.text,
        reasons: advice.reasons,
    }
}
