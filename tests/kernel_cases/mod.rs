//! What the tests of the kernels share: a network of every layer, and the variants of an operation.

use lensgpu::plan::{NetworkOp, Op};

/// Every layer, for images of at least 15 x 15 pixels, with values that several layers take, behind a fused ReLU and not.
pub const EVERY_LAYER: &str = "layers = [
    {layer='conv', name='c1', filters=8, kernel=3, stride=2, padding='same', activation='relu'},
    {layer='conv', name='c2', filters=8, kernel=3, padding='same', activation='leaky_relu'},
    {layer='add', with='c1'}, {layer='norm', name='n1'}, {layer='activation', activation='silu'},
    {layer='conv', name='c3', filters=5, kernel=2, padding='same', activation='silu'},
    {layer='concat', with='c1', name='k1'},
    {layer='norm', input='c1', name='n2'}, {layer='maxpool', size=2, name='m1'},
    {layer='avgpool', size=2, input='c1'}, {layer='add', with='m1', name='a1'},
    {layer='add', with='a1', name='a2'}, {layer='avgpool', size=2, input='k1'}, {layer='concat', with='a2', name='k2'},
    {layer='conv', name='c4', filters=6, kernel=1, stride=2, activation='relu'},
    {layer='conv', name='c5', filters=6, kernel=3, stride=2, padding='same', input='k2'},
    {layer='activation', activation='leaky_relu', name='l1'},
    {layer='activation', activation='linear', input='c4', name='l2'},
    {layer='maxpool', size=1, input='c4'}, {layer='add', with='l1'}, {layer='add', with='l2'},
    {layer='activation', activation='relu', name='r1'}, {layer='global_average_pool', name='g1'},
    {layer='flatten', input='r1'}, {layer='dense', name='d1', units=9, activation='relu'},
    {layer='dense', name='d2', units=8, activation='silu'}, {layer='concat', with='d1'}, {layer='concat', with='g1'},
    {layer='dense', name='d3', units=8, activation='relu'},
    {layer='dense', name='d4', units=8, activation='relu'}, {layer='add', with='d3'},
    {layer='heads', mean='mean', var='var', lens='lens'}]";

/// An operation that writes the gradient of an input, with and without a gate and accumulation; any other operation as it
/// is.
pub fn variants(op: &Op) -> Vec<Op> {
    let Op::Network(op) = op else {
        return vec![op.clone()];
    };
    macro_rules! variants {
        ($op:expr, |$each:ident, $gate:ident, $accumulate:ident| $set:expr) => {
            [(false, false), (false, true), (true, false), (true, true)].map(|($gate, $accumulate)| {
                let mut $each = $op.clone();
                $set;
                Op::from($each)
            })
        };
        ($op:expr) => {
            variants!($op, |op, gate, accumulate| (op.gate, op.accumulate) =
                (gate, accumulate))
        };
    }
    // It may be one of several gradients.
    macro_rules! beside {
        ($op:expr) => {
            variants!($op, |op, gate, accumulate| if let Some(to) = &mut op.input {
                (to.gate, to.accumulate) = (gate, accumulate);
            })
        };
    }
    match op {
        NetworkOp::ConvGradInput(op) => variants!(op).into(),
        NetworkOp::NormGrad(op) => beside!(op).into(),
        NetworkOp::DenseGrad(op) => beside!(op).into(),
        NetworkOp::HeadsGrad(op) => beside!(op).into(),
        NetworkOp::PoolGradInput(op) => variants!(op).into(),
        NetworkOp::AveragePoolGradInput(op) => variants!(op).into(),
        NetworkOp::ActivationGradInput(op) => variants!(op).into(),
        NetworkOp::ChannelCopy(op) => {
            let copy = |gate, accumulate| {
                let mut op = op.clone();
                (op.gate, op.accumulate) = (gate, accumulate);
                Op::from(op)
            };
            let gates = [None, op.gate];
            gates
                .into_iter()
                .flat_map(|gate| [copy(gate, false), copy(gate, true)])
                .collect()
        }
        NetworkOp::Gather(_)
        | NetworkOp::ConvForward(_)
        | NetworkOp::ConvGradWeight(_)
        | NetworkOp::NormForward(_)
        | NetworkOp::PoolForward(_)
        | NetworkOp::AveragePoolForward(_)
        | NetworkOp::DenseForward(_)
        | NetworkOp::ActivationForward(_)
        | NetworkOp::AddForward(_)
        | NetworkOp::HeadsForward(_)
        | NetworkOp::HeadsLoss(_)
        | NetworkOp::LensLoss(_)
        | NetworkOp::Fgsm(_)
        | NetworkOp::Adam(_)
        | NetworkOp::Average(_) => vec![Op::Network(op.clone())],
    }
}
