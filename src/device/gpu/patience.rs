//! How long a submission may take before the device counts as hung.

use super::AdapterClass;

/// The time that a submission may take: a fixed one, and more for more work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Patience {
    /// For any submission, seconds.
    pub seconds: f64,
    /// For each floating point operation in it, seconds.
    pub per_flop: f64,
}

impl Patience {
    /// What no device that works exceeds. A submission is sized to take 0.2 s, and the drivers of most GPUs end one that
    /// takes more than some seconds themselves; a GPU that others keep busy gets a minute. A software adapter computes
    /// on the CPU, which may be slow, overloaded or short of memory: it gets ten minutes. On top of that, the work counts
    /// at 0.1 GFLOP/s: a tenth of what a software adapter reaches on a single core.
    pub fn of(class: AdapterClass) -> Patience {
        Patience {
            seconds: match class {
                AdapterClass::Gpu => 60.0,
                AdapterClass::Software => 600.0,
            },
            per_flop: 1e-8,
        }
    }

    /// Seconds for so much work.
    pub fn with(self, flops: f64) -> f64 {
        self.seconds + flops * self.per_flop
    }
}
