//! A Kalman filter for somebody on foot, and the smoother that looks at the whole way.
//!
//! The state is place and velocity on a plane, the same for both axes; the measurement is a fix with its accuracy; the
//! walker's changes of mind are white-noise acceleration. Forward: R. E. Kalman (1960). Backward: H. E. Rauch, F. Tung
//! and C. T. Striebel, "Maximum likelihood estimates of linear dynamic systems" (1965).

use serde::{Deserialize, Serialize};

/// Speeds that a walk begins with, metres a second: the deviation before anything is known.
const SPEED_DEVIATION_M_S: f64 = 4.0;
/// A 68 % radius in two dimensions, over the deviation of one axis: `sqrt(-2 ln(1 - 0.68))`.
const RADIUS_PER_DEVIATION: f64 = 1.509_6;
/// No receiver is better than this, metres of one axis; it also keeps the filter from dividing by nothing.
const DEVIATION_MIN_M: f64 = 1.0;

/// East and north, metres or metres a second.
pub type Plane = [f64; 2];

/// A fix on the plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fix {
    /// Seconds since the first fix.
    pub at_s: f64,
    /// Where, in metres from the origin.
    pub place: Plane,
    /// Radius of 68 % confidence, metres.
    pub accuracy_m: f64,
}

impl Fix {
    /// The variance of one axis.
    fn variance(&self) -> f64 {
        (self.accuracy_m / RADIUS_PER_DEVIATION).max(DEVIATION_MIN_M).powi(2)
    }
}

/// What is known after a fix.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Seconds since the first fix.
    pub at_s: f64,
    /// Most likely place, metres from the origin.
    pub place: Plane,
    /// Most likely velocity, metres a second.
    pub velocity: Plane,
    /// Variance of the place, covariance of both, variance of the velocity; the same for both axes.
    variance: [f64; 3],
}

impl Estimate {
    /// What the first fix tells.
    #[must_use]
    pub fn begin(fix: &Fix) -> Self {
        Self {
            at_s: fix.at_s,
            place: fix.place,
            velocity: [0.0; 2],
            variance: [fix.variance(), 0.0, SPEED_DEVIATION_M_S.powi(2)],
        }
    }

    /// Metres a second.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.velocity[0].hypot(self.velocity[1])
    }

    /// What is to be expected `seconds` later, when velocity changes by `restlessness` (metres squared a second cubed).
    fn predict(&self, seconds: f64, restlessness: f64) -> Self {
        let [pp, pv, vv] = self.variance;
        Self {
            at_s: self.at_s + seconds,
            place: std::array::from_fn(|axis| self.place[axis] + self.velocity[axis] * seconds),
            velocity: self.velocity,
            variance: [
                pp + seconds * (2.0 * pv + seconds * vv) + restlessness * seconds.powi(3) / 3.0,
                pv + seconds * vv + restlessness * seconds.powi(2) / 2.0,
                vv + restlessness * seconds,
            ],
        }
    }

    /// The estimate corrected by a fix of its moment.
    fn correct(&self, fix: &Fix) -> Self {
        let [pp, pv, vv] = self.variance;
        let sum = pp + fix.variance();
        let (gain_place, gain_velocity) = (pp / sum, pv / sum);
        let off: Plane = std::array::from_fn(|axis| fix.place[axis] - self.place[axis]);
        Self {
            at_s: self.at_s,
            place: std::array::from_fn(|axis| self.place[axis] + gain_place * off[axis]),
            velocity: std::array::from_fn(|axis| self.velocity[axis] + gain_velocity * off[axis]),
            variance: [pp * (1.0 - gain_place), pv * (1.0 - gain_place), vv - gain_velocity * pv],
        }
    }

    /// The estimate after one more fix.
    #[must_use]
    pub fn step(&self, fix: &Fix, restlessness: f64) -> Self {
        self.predict((fix.at_s - self.at_s).max(0.0), restlessness).correct(fix)
    }
}

/// The most likely way through all fixes, which are in the order of time: what comes later is considered too.
/// `restlessness` has one figure a fix, for the time before it.
#[must_use]
pub fn smooth(fixes: &[Fix], restlessness: &[f64]) -> Vec<Estimate> {
    let Some(first) = fixes.first() else { return Vec::new() };
    let mut predicted = Vec::with_capacity(fixes.len());
    let mut estimates = Vec::with_capacity(fixes.len());
    let mut estimate = Estimate::begin(first);
    predicted.push(estimate);
    estimates.push(estimate);
    for (fix, restlessness) in fixes.iter().zip(restlessness).skip(1) {
        let prediction = estimate.predict((fix.at_s - estimate.at_s).max(0.0), *restlessness);
        estimate = prediction.correct(fix);
        predicted.push(prediction);
        estimates.push(estimate);
    }
    for index in (0..estimates.len().saturating_sub(1)).rev() {
        let (later, prediction) = (estimates[index + 1], predicted[index + 1]);
        estimates[index] = look_back(&estimates[index], &prediction, &later);
    }
    estimates
}

/// An estimate corrected by what was learnt after it. Its variance stays the forward one: nobody asks for it.
fn look_back(now: &Estimate, prediction: &Estimate, later: &Estimate) -> Estimate {
    let seconds = prediction.at_s - now.at_s;
    let [pp, pv, vv] = now.variance;
    let [qp, qc, qv] = prediction.variance;
    let determinant = qp * qv - qc * qc;
    if determinant <= f64::EPSILON {
        return *now;
    }
    // The gain is P Fᵀ Q⁻¹, with F the step of `seconds` and Q the prediction's variance.
    let (row_place, row_velocity) = ([pp + seconds * pv, pv], [pv + seconds * vv, vv]);
    let gain = |row: [f64; 2]| {
        [(row[0] * qv - row[1] * qc) / determinant, (row[1] * qp - row[0] * qc) / determinant]
    };
    let (to_place, to_velocity) = (gain(row_place), gain(row_velocity));
    let learnt = |gain: [f64; 2], axis: usize| {
        gain[0] * (later.place[axis] - prediction.place[axis])
            + gain[1] * (later.velocity[axis] - prediction.velocity[axis])
    };
    Estimate {
        at_s: now.at_s,
        place: std::array::from_fn(|axis| now.place[axis] + learnt(to_place, axis)),
        velocity: std::array::from_fn(|axis| now.velocity[axis] + learnt(to_velocity, axis)),
        variance: now.variance,
    }
}

#[cfg(test)]
mod tests {
    use super::{Estimate, Fix, smooth};

    fn walk(seconds: u32, accuracy_m: f64) -> Vec<Fix> {
        (0..seconds)
            .map(|s| Fix { at_s: f64::from(s), place: [f64::from(s) * 1.4, 0.0], accuracy_m })
            .collect()
    }

    #[test]
    fn a_steady_walk_is_left_as_it_is() {
        let fixes = walk(300, 5.0);
        for (estimate, fix) in smooth(&fixes, &vec![0.05; fixes.len()]).iter().zip(&fixes).skip(30) {
            assert!((estimate.place[0] - fix.place[0]).abs() < 0.5, "{estimate:?} {fix:?}");
            assert!((estimate.speed() - 1.4).abs() < 0.1, "{estimate:?}");
        }
    }

    #[test]
    fn a_coarse_fix_weighs_less_than_a_good_one() {
        let known = Estimate::begin(&Fix { at_s: 0.0, place: [0.0, 0.0], accuracy_m: 5.0 });
        let moved =
            |accuracy_m| known.step(&Fix { at_s: 5.0, place: [30.0, 0.0], accuracy_m }, 0.05).place[0];
        assert!(moved(3.0) > 28.0 && moved(100.0) < 10.0, "{} {}", moved(3.0), moved(100.0));
    }

    #[test]
    fn two_fixes_of_one_moment_do_no_harm() {
        let fix = Fix { at_s: 0.0, place: [0.0, 0.0], accuracy_m: 5.0 };
        let estimates = smooth(&[fix, Fix { place: [4.0, 0.0], ..fix }], &[0.05; 2]);
        assert!(estimates.iter().all(|e| e.place[0].is_finite() && e.speed().is_finite()), "{estimates:?}");
    }
}
