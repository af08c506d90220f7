//! Heat and cold.

use super::{Advice, Pet, Severity, Weather};

/// The temperature-humidity index (Thom 1959, in the form of the US National Research Council 1971) of a temperature in
/// degrees Celsius and a relative humidity in percent.
#[must_use]
pub fn thi(weather: Weather) -> f64 {
    let t = weather.temperature_c;
    (1.8 * t + 32.0) - (0.55 - 0.0055 * weather.humidity_pct) * (1.8 * t - 26.0)
}

/// The index from which a healthy animal needs care, and from which it should stay in.
const THI_CAUTION: f64 = 76.0;
const THI_DANGER: f64 = 84.0;
/// How much earlier both come with a known risk.
const RISK_MARGIN: f64 = 4.0;

/// Advice for the weather.
#[must_use]
pub fn weather(pet: &Pet, now: Weather) -> Vec<Advice> {
    let index = thi(now);
    let risk = heat_risk(pet);
    let margin = if risk.is_some() { RISK_MARGIN } else { 0.0 };
    let mut reasons = vec![
        format!("{:.0} °C at {:.0} % humidity", now.temperature_c, now.humidity_pct),
        format!("temperature-humidity index {index:.0}"),
    ];
    reasons.extend(risk);
    let advice =
        |code, severity, text: &str, reasons| vec![Advice { code, severity, text: text.to_owned(), reasons }];
    if index >= THI_DANGER - margin {
        let text =
            "Too hot for a walk. Wait for the cool of the morning or the evening, and have water at hand.";
        advice("heat-danger", Severity::Danger, text, reasons)
    } else if index >= THI_CAUTION - margin {
        let text =
            "Walk slowly, in the shade, with water and rests; test the pavement with the back of your hand.";
        advice("heat-caution", Severity::Caution, text, reasons)
    } else if now.temperature_c <= cold_limit(pet) {
        reasons.truncate(1);
        reasons.push(format!("{:.1} kg", f64::from(pet.weight_g) / 1_000.0));
        advice(
            "cold-caution",
            Severity::Caution,
            "Keep the walk short and the pet dry; a coat helps.",
            reasons,
        )
    } else {
        Vec::new()
    }
}

fn heat_risk(pet: &Pet) -> Option<String> {
    if let Some(condition) = pet.heat_risk() {
        return Some(format!("known condition: {condition}"));
    }
    match pet.age_months {
        0..=5 => Some("under half a year old".to_owned()),
        120.. => Some("ten years or older".to_owned()),
        _ => None,
    }
}

/// Degrees Celsius at which cold begins to matter: earlier for the small.
fn cold_limit(pet: &Pet) -> f64 {
    match pet.weight_g {
        0..=10_000 => 0.0,
        10_001..=25_000 => -5.0,
        _ => -10.0,
    }
}

#[cfg(test)]
mod tests {
    use super::thi;
    use crate::domain::Weather;

    #[test]
    fn the_index_of_known_air() {
        // At 100 % humidity the index is the temperature in Fahrenheit.
        for (t, h, expected) in [(30.0, 100.0, 86.0), (25.0, 50.0, 71.8), (35.0, 60.0, 86.9)] {
            let index = thi(Weather { temperature_c: t, humidity_pct: h });
            assert!((index - expected).abs() < 0.1, "{t} {h}: {index}");
        }
    }
}
