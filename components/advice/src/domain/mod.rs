//! The rules of advice: heat, cold, too much and too little exercise.

mod exercise;
mod weather;

pub use exercise::exercise;
pub use weather::{thi, weather};

/// What is known of a pet.
#[derive(Clone, Debug)]
pub struct Pet {
    /// Whether it is a dog; the rules for the others are the cautious ones.
    pub is_dog: bool,
    /// Grams.
    pub weight_g: u32,
    /// Whole months since birth.
    pub age_months: u32,
    /// Known conditions, lower case.
    pub conditions: Vec<String>,
}

impl Pet {
    /// The known condition that makes heat worse, where there is one.
    #[must_use]
    pub fn heat_risk(&self) -> Option<&str> {
        const RISKS: [&str; 5] = ["brachycephalic", "heart", "obesity", "respiratory", "laryngeal"];
        self.conditions.iter().find(|c| RISKS.iter().any(|r| c.contains(r))).map(String::as_str)
    }

    /// The known condition that makes exertion worse, where there is one.
    #[must_use]
    pub fn joint_risk(&self) -> Option<&str> {
        const RISKS: [&str; 4] = ["arthritis", "dysplasia", "arthrosis", "ligament"];
        self.conditions.iter().find(|c| RISKS.iter().any(|r| c.contains(r))).map(String::as_str)
    }
}

/// A past walk.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// Days ago.
    pub days_ago: u32,
    /// Metres.
    pub distance_m: u32,
    /// Milliseconds in motion.
    pub moving_ms: u64,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Take care.
    Caution,
    /// Do not.
    Danger,
}

/// One piece of advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// A stable code.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What to do.
    pub text: String,
    /// Why.
    pub reasons: Vec<String>,
}

/// Temperature in degrees Celsius and relative humidity in percent.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Degrees Celsius.
    pub temperature_c: f64,
    /// Percent.
    pub humidity_pct: f64,
}

/// A figure out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadInput {
    /// The figure.
    pub field: &'static str,
    /// What is allowed.
    pub message: &'static str,
}

/// All advice for a pet, gravest first.
///
/// # Errors
/// When a figure is out of its range.
pub fn advise(pet: &Pet, now: Option<Weather>, walks: &[Walk]) -> Result<Vec<Advice>, BadInput> {
    let bad = |field, message| Err(BadInput { field, message });
    if !(100..=150_000).contains(&pet.weight_g) {
        return bad("pet.weight_g", "must be 100 to 150000 grams");
    }
    if pet.age_months > 720 {
        return bad("pet.age_months", "must be at most 720 months");
    }
    if let Some(weather) = now {
        if !(-60.0..=60.0).contains(&weather.temperature_c) {
            return bad("weather.temperature_c", "must be -60 to 60 degrees Celsius");
        }
        if !(0.0..=100.0).contains(&weather.humidity_pct) {
            return bad("weather.humidity_pct", "must be 0 to 100 percent");
        }
    }
    let mut all: Vec<Advice> = now.map(|w| weather(pet, w)).unwrap_or_default();
    all.extend(exercise(pet, walks));
    all.sort_by_key(|a| std::cmp::Reverse(a.severity));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::{Pet, Severity, Walk, Weather, advise};

    fn pet(conditions: &[&str], age_months: u32) -> Pet {
        let conditions = conditions.iter().map(|c| (*c).to_owned()).collect();
        Pet { is_dog: true, weight_g: 12_000, age_months, conditions }
    }

    fn codes(pet: &Pet, weather: Option<(f64, f64)>, walks: &[Walk]) -> Vec<(&'static str, Severity)> {
        let weather = weather.map(|(temperature_c, humidity_pct)| Weather { temperature_c, humidity_pct });
        advise(pet, weather, walks).expect("in range").iter().map(|a| (a.code, a.severity)).collect()
    }

    const GOOD_WEEK: [Walk; 7] = [
        Walk { days_ago: 0, distance_m: 2_500, moving_ms: 2_400_000 },
        Walk { days_ago: 1, distance_m: 2_500, moving_ms: 2_400_000 },
        Walk { days_ago: 2, distance_m: 2_500, moving_ms: 2_400_000 },
        Walk { days_ago: 3, distance_m: 2_500, moving_ms: 2_400_000 },
        Walk { days_ago: 4, distance_m: 2_500, moving_ms: 2_400_000 },
        Walk { days_ago: 5, distance_m: 2_500, moving_ms: 2_400_000 },
        Walk { days_ago: 6, distance_m: 2_500, moving_ms: 2_400_000 },
    ];

    #[test]
    fn heat_depends_on_air_and_animal() {
        let healthy = pet(&[], 48);
        let pug = pet(&["brachycephalic"], 48);
        for (animal, weather, expected) in [
            (&healthy, (20.0, 50.0), vec![]),
            (&healthy, (29.0, 60.0), vec![("heat-caution", Severity::Caution)]),
            (&healthy, (36.0, 70.0), vec![("heat-danger", Severity::Danger)]),
            (&pug, (26.0, 60.0), vec![("heat-caution", Severity::Caution)]),
            (&pug, (31.0, 70.0), vec![("heat-danger", Severity::Danger)]),
            (&healthy, (-15.0, 50.0), vec![("cold-caution", Severity::Caution)]),
        ] {
            assert_eq!(codes(animal, Some(weather), &GOOD_WEEK), expected, "{weather:?}");
        }
    }

    #[test]
    fn exercise_is_weighed_by_the_week() {
        assert_eq!(codes(&pet(&[], 48), None, &[]), [("no-walks", Severity::Info)]);
        assert_eq!(codes(&pet(&[], 48), None, &GOOD_WEEK[..2]), [("too-little", Severity::Info)]);
        assert_eq!(codes(&pet(&[], 48), None, &GOOD_WEEK), []);
        let long = Walk { days_ago: 0, distance_m: 12_000, moving_ms: 9_000_000 };
        let mut week = GOOD_WEEK.to_vec();
        week.push(long);
        assert_eq!(codes(&pet(&[], 48), None, &week), [("sudden-increase", Severity::Caution)]);
        assert_eq!(codes(&pet(&["arthritis"], 130), None, &GOOD_WEEK), [("joints", Severity::Caution)]);
        assert_eq!(codes(&pet(&[], 4), None, &GOOD_WEEK), [("puppy", Severity::Caution)]);
    }

    #[test]
    fn every_advice_has_its_reasons_and_bad_figures_are_named() {
        let weather = Weather { temperature_c: 36.0, humidity_pct: 70.0 };
        for advice in advise(&pet(&["heart murmur"], 130), Some(weather), &[]).expect("in range") {
            assert!(!advice.reasons.is_empty() && !advice.text.is_empty(), "{advice:?}");
        }
        let field = |p: &Pet, w| advise(p, w, &[]).err().map(|e| e.field);
        assert_eq!(field(&Pet { weight_g: 1, ..pet(&[], 1) }, None), Some("pet.weight_g"));
        let nan = Weather { temperature_c: f64::NAN, humidity_pct: 1.0 };
        assert_eq!(field(&pet(&[], 1), Some(nan)), Some("weather.temperature_c"));
    }
}
