//! Minimum of a function of two variables by the simplex method (Nelder & Mead 1965, Comput. J. 7, 308).

type Point = [f64; 2];

/// The minimum found from (0, 0) with an initial triangle of side `step`. Stops when the values at the corners agree to
/// `tolerance`, or after 200 steps.
pub(super) fn minimise(value: impl Fn(Point) -> f64, step: f64, tolerance: f64) -> Point {
    let at = |x: Point| (value(x), x);
    let mut corners = [[0.0, 0.0], [step, 0.0], [0.0, step]].map(at);
    for _ in 0..200 {
        corners.sort_by(|a, b| a.0.total_cmp(&b.0));
        let [best, middle, worst] = corners;
        if worst.0 - best.0 <= tolerance {
            break;
        }
        let centre = [0, 1].map(|i| 0.5 * (best.1[i] + middle.1[i]));
        // The reflection of the worst corner through the centre of the others, `t` times as far.
        let reflect = |t: f64| at([0, 1].map(|i| centre[i] + t * (centre[i] - worst.1[i])));
        let reflected = reflect(1.0);
        let next = if reflected.0 < best.0 {
            let expanded = reflect(2.0);
            if expanded.0 < reflected.0 { expanded } else { reflected }
        } else if reflected.0 < middle.0 {
            reflected
        } else {
            reflect(if reflected.0 < worst.0 { 0.5 } else { -0.5 })
        };
        if next.0 < worst.0 {
            corners[2] = next;
        } else {
            for corner in &mut corners[1..] {
                *corner = at([0, 1].map(|i| 0.5 * (best.1[i] + corner.1[i])));
            }
        }
    }
    corners.sort_by(|a, b| a.0.total_cmp(&b.0));
    corners[0].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_of_a_curved_valley() {
        let rosenbrock = |[x, y]: Point| (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2);
        let [x, y] = minimise(rosenbrock, 0.5, 1e-14);
        assert!((x - 1.0).abs() < 1e-5 && (y - 1.0).abs() < 1e-5, "{x} {y}");
        assert_eq!(
            minimise(|_| 1.0, 0.5, 1e-9),
            [0.0, 0.0],
            "a constant function: the start"
        );
    }
}
