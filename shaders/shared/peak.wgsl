// The search for the value of a window of x at which max pooling finds its maximum.
#import shared/nan

// Of a window of POOL x POOL values of x, the first of them at `corner`: the largest value if gamma > 0, the smallest if
// gamma < 0, else the first, and its number in the window; of equal values the first. A NaN wins over any number, so that
// it is not lost.
struct Peak {
    value: V,
    place: Index,
}

fn peak(corner: u32, gamma: V) -> Peak {
    var value = V(x[corner]);
    var place = Index(0u);
    for (var k = 1u; k < ${POOL * POOL}u; k++) {
        let other = V(x[corner + (k / POOL * W + k % POOL) * ${BLOCKS}u]);
        let better = ((gamma > V(0.0)) & (other > value)) | ((gamma < V(0.0)) & (other < value)) | is_nan(other);
        value = select(value, other, better);
        place = select(place, Index(k), better);
    }
    return Peak(value, place);
}
