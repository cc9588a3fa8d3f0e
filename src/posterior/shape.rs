//! Moments and scores of a distribution by integrals over its distribution function.

/// A value with the distribution function and the density there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) x: f64,
    /// P(X <= x).
    pub(super) below: f64,
    /// In 1/unit.
    pub(super) density: f64,
}

impl Place {
    fn above(&self) -> f64 {
        1.0 - self.below
    }
}

/// Maximum number of places.
const PLACES: usize = 64;

/// A distribution at places that reach from its lower to its upper end, and its moments.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    places: Vec<Place>,
    /// Whether the density has no steps.
    smooth: bool,
    mean: f64,
    sigma: f64,
}

impl Shape {
    /// Levels at which a distribution should be known, as logits: close enough for cubic interpolation between them. The
    /// outermost are 1e-4 from 0 and 1; the probability beyond them, or beyond 8 scales of every member, counts as
    /// if it were there, because a heavy tail that is extrapolated from few rows need not have a variance.
    pub(super) fn logits() -> [f64; 25] {
        let logit = |k: usize| {
            let k = k as f64 - 12.0;
            0.4 * k + 0.0306 * k * k.abs()
        };
        std::array::from_fn(logit)
    }

    /// The distribution `at` given places, in any order; only every k-th is used if there are more than 64.
    pub(super) fn new(mut x: Vec<f64>, smooth: bool, at: impl Fn(f64) -> Place) -> Shape {
        x.sort_by(f64::total_cmp);
        x.dedup();
        let stride = x.len().div_ceil(PLACES);
        let last = x[x.len() - 1];
        let mut places: Vec<Place> = x.iter().step_by(stride).map(|&x| at(x)).collect();
        if places[places.len() - 1].x < last {
            places.push(at(last));
        }
        let mut shape = Shape {
            mean: f64::NAN,
            sigma: f64::NAN,
            smooth,
            places,
        };
        let centre = shape.places[shape.places.len() / 2];
        let c = centre.x;
        let below = |p: &Place| [p.below, p.density];
        let above = |p: &Place| [p.above(), -p.density];
        let offset = shape.integral(centre, |_| [0.0; 2], above) - shape.integral(centre, below, |_| [0.0; 2]);
        let square = 2.0
            * shape.integral(
                centre,
                |p| [(c - p.x) * p.below, (c - p.x) * p.density - p.below],
                |p| [(p.x - c) * p.above(), p.above() - (p.x - c) * p.density],
            );
        shape.mean = c + offset;
        shape.sigma = (square - offset * offset).max(0.0).sqrt();
        shape
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    pub(super) fn sigma(&self) -> f64 {
        self.sigma
    }

    /// The integral of P(X <= x)^2 below the true value, and of P(X > x)^2 above it.
    pub(super) fn crps(&self, truth: Place) -> f64 {
        // Beyond the places there is no probability.
        let (first, last) = (self.places[0], self.places[self.places.len() - 1]);
        let (split, outside) = if truth.x > last.x {
            (last, truth.x - last.x)
        } else if truth.x < first.x {
            (first, first.x - truth.x)
        } else {
            (truth, 0.0)
        };
        let inside = self.integral(
            split,
            |p| [p.below * p.below, 2.0 * p.below * p.density],
            |p| [p.above() * p.above(), -2.0 * p.above() * p.density],
        );
        inside + outside
    }

    /// The integral of a function below `split` and of another one above it. Both give a value, which is not negative, and
    /// a derivative, between which the integrand is a cubic (Hermite), or a straight line if the density has steps.
    fn integral(&self, split: Place, below: impl Fn(&Place) -> [f64; 2], above: impl Fn(&Place) -> [f64; 2]) -> f64 {
        let at = self.places.partition_point(|p| p.x < split.x);
        let (lower, upper) = self.places.split_at(at);
        let pieces = |places: &mut dyn Iterator<Item = (f64, [f64; 2])>| {
            let (mut sum, mut previous): (f64, Option<(f64, f64, f64)>) = (0.0, None);
            for (x, [value, slope]) in places {
                if let Some((x0, value0, slope0)) = previous {
                    let h = x - x0;
                    sum += 0.5 * h * (value0 + value);
                    if self.smooth {
                        sum += h * h / 12.0 * (slope0 - slope);
                    }
                }
                previous = Some((x, value, slope));
            }
            sum
        };
        pieces(&mut lower.iter().chain([&split]).map(|p| (p.x, below(p))))
            + pieces(&mut [&split].into_iter().chain(upper).map(|p| (p.x, above(p))))
    }
}
