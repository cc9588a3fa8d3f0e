//! Every kernel that the networks below ask for, without a device: its WGSL is valid and becomes SPIR-V, MSL and HLSL,
//! its bindings are those that the lowering names, and it keeps within what every adapter has.

mod kernel_cases;
#[path = "kernel_cases/spirv.rs"]
mod spirv;

use anyhow::{Context, Result, anyhow, ensure};
use kernel_cases::{EVERY_LAYER, variants};
use lensgpu::device::Precision;
use lensgpu::device::gpu::preprocess::preprocess;
use lensgpu::device::gpu::{Access, AdapterClass, Constant, Pass, lower, peak_passes};
use lensgpu::lens::Population;
use lensgpu::lens::simulate::plan::{LensPlan, Window};
use lensgpu::likelihood::Likelihood;
use lensgpu::nn::NetworkPlan;
use lensgpu::nn::{Capacity, Training};
use lensgpu::nn::{Layout, Network};
use lensgpu::plan::{Op, Plan, Tensor};
use naga::{AddressSpace, Module, ShaderStage, StorageAccess};
use spirv::spirv;
use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};

/// What plans are lowered for. f16 makes the same kernels with other types, whatever the class.
const TARGETS: [(AdapterClass, Precision); 3] = [
    (AdapterClass::Gpu, Precision::F32),
    (AdapterClass::Gpu, Precision::F16),
    (AdapterClass::Software, Precision::F32),
];

/// Name, input, batch and layers.
const NETWORKS: &[(&str, &[usize], usize, &str)] = &[
    (
        "vanilla",
        &[55, 55, 3],
        32,
        include_str!("../assets/networks/vanilla.toml"),
    ),
    (
        "vanilla, space",
        &[101, 101, 1],
        7,
        include_str!("../assets/networks/vanilla.toml"),
    ),
    (
        "residual55",
        &[55, 55, 3],
        32,
        include_str!("../assets/networks/residual55.toml"),
    ),
    (
        "residual101",
        &[101, 101, 1],
        8,
        include_str!("../assets/networks/residual101.toml"),
    ),
    (
        "odd shapes",
        &[9, 8, 2],
        5,
        "layers = [
            {layer='conv', name='c1', filters=5, kernel=3, activation='relu'}, {layer='norm', name='n1'},
            {layer='maxpool', size=2}, {layer='conv', name='c2', filters=3, kernel=2}, {layer='norm', name='n2'},
            {layer='flatten'}, {layer='dense', name='d1', units=7, activation='relu'}, {layer='norm', name='n3'},
            {layer='dense', name='d2', units=130}, {layer='norm', name='n4'},
            {layer='heads', mean='mean', var='var', mean_activation='identity'}]",
    ),
    (
        "pool without norm",
        &[23, 17, 4],
        3,
        "layers = [
            {layer='conv', name='c1', filters=6, kernel=2, activation='relu'}, {layer='maxpool', size=3},
            {layer='conv', name='c2', filters=8, kernel=1, activation='relu'}, {layer='maxpool', size=2},
            {layer='flatten'}, {layer='dense', name='d1', units=8, activation='relu'},
            {layer='heads', mean='mean', var='var'}]",
    ),
    (
        "norm and pool first",
        &[30, 31, 3],
        2,
        "layers = [
            {layer='maxpool', size=2}, {layer='norm', name='n1'}, {layer='maxpool', size=2},
            {layer='conv', name='c1', filters=64, kernel=5, activation='relu'},
            {layer='conv', name='c2', filters=128, kernel=3, activation='relu'}, {layer='norm', name='n2'},
            {layer='flatten'}, {layer='heads', mean='mean', var='var'}]",
    ),
    (
        "dense only",
        &[13],
        100,
        "layers = [
            {layer='dense', name='d1', units=100, activation='relu'}, {layer='norm', name='n1'},
            {layer='dense', name='d2', units=33, activation='relu'},
            {layer='heads', mean='mean', var='var', mean_activation='identity'}]",
    ),
    (
        "heads only",
        &[4],
        1,
        "layers = [{layer='heads', mean='mean', var='var', mean_activation='identity'}]",
    ),
    (
        "large images",
        &[1000, 1000, 1],
        200,
        "layers = [
            {layer='norm', name='n1'}, {layer='conv', name='c1', filters=2, kernel=17, activation='relu'},
            {layer='maxpool', size=2}, {layer='norm', name='n2'}, {layer='maxpool', size=100}, {layer='flatten'},
            {layer='heads', mean='mean', var='var'}]",
    ),
    ("every layer", &[23, 21, 3], 4, EVERY_LAYER),
    ("every layer, channels of four", &[32, 32, 4], 32, EVERY_LAYER),
    ("every layer, large images", &[1001, 1000, 1], 64, EVERY_LAYER),
    (
        "strides and padding",
        &[101, 99, 2],
        5,
        "layers = [
            {layer='conv', name='c1', filters=4, kernel=17, stride=2, padding='same', activation='relu'},
            {layer='conv', name='c2', filters=5, kernel=7, stride=3, activation='relu'},
            {layer='conv', name='c3', filters=16, kernel=17, stride=16, padding='same', input='c1'},
            {layer='global_average_pool', name='g'}, {layer='global_average_pool', input='c2'},
            {layer='concat', with='g'}, {layer='heads', mean='mean', var='var'}]",
    ),
];

/// Namespaces and macros of the compilers of HLSL, MSL and GLSL, with which a variable of this name collides. naga renames
/// the keywords of these languages, and not these.
const RESERVED: &[&str] = &[
    "dx",
    "vk",
    "metal",
    "simd",
    "air",
    "std",
    "NULL",
    "NAN",
    "INFINITY",
    "FLT_MAX",
    "FLT_MIN",
    "FLT_EPSILON",
    "INT_MAX",
    "INT_MIN",
    "UINT_MAX",
    "UINT32_MAX",
    "assert",
    "likely",
    "unlikely",
    "gl_in",
    "gl_out",
];

/// Inference, training, and training with an adversary but without a clip, of every network; the simulator.
fn plans() -> Vec<(String, Plan)> {
    let mut plans = Vec::new();
    for &(name, input, batch, layers) in NETWORKS {
        let network = Network::from_toml(layers, input).unwrap();
        let layout = Layout::new(&network).unwrap();
        let plain = Training::new(batch, Capacity { pool: 1000, steps: 10 });
        let adversarial = Training {
            adversarial: true,
            clip: f32::INFINITY,
            ..plain
        };
        let everything = Training {
            beta_nll: 0.5,
            shift: if input.len() == 3 { 2 } else { 0 },
            noise: true,
            weight_decay: 0.01,
            average: 0.999,
            ..adversarial
        };
        let student = network.clone().with_likelihood(Likelihood::StudentT);
        plans.push((
            format!("{name}, everything"),
            NetworkPlan::training(&student, &layout, &everything).unwrap().plan,
        ));
        plans.push((
            format!("{name}, inference"),
            NetworkPlan::inference(&network, &layout, batch).unwrap().plan,
        ));
        plans.push((
            format!("{name}, training"),
            NetworkPlan::training(&network, &layout, &plain).unwrap().plan,
        ));
        plans.push((
            format!("{name}, adversarial"),
            NetworkPlan::training(&network, &layout, &adversarial).unwrap().plan,
        ));
    }
    for (name, objects) in [("lfc1-ground", 64), ("lfc1-space", 7), ("lsst", 33)] {
        let population = Population::preset(name).unwrap();
        for kernel in [None, Some(49)] {
            let lens = LensPlan::new(&population, &Window::whole(&population), objects, kernel);
            plans.push((format!("{name}, simulation"), lens.plan));
        }
    }
    plans
}

fn passes(plan: &Plan, class: AdapterClass, precision: Precision) -> (Vec<Pass>, Vec<Tensor>) {
    let lowered = lower(plan, class, precision);
    (
        lowered.passes.into_iter().map(|(_, pass)| pass).collect(),
        lowered.tensors,
    )
}

/// Runs `check` on every pass of every plan and its variants, for every target, and on those of the benchmark; a failure names
/// the plan and the kernel.
fn for_each_pass(mut check: impl FnMut(&Pass) -> Result<()>) {
    for (name, mut plan) in plans() {
        plan.ops = plan.ops.iter().flat_map(variants).collect();
        for (class, precision) in TARGETS {
            for pass in passes(&plan, class, precision).0 {
                let result = check(&pass);
                let what = || {
                    format!(
                        "{name}, {class:?}, {precision:?}: {}, entry {}",
                        pass.shader, pass.entry
                    )
                };
                result.with_context(what).unwrap_or_else(|error| panic!("{error:#}"));
            }
        }
    }
    for pass in peak_passes(1 << 23) {
        let result = check(&pass);
        result
            .with_context(|| pass.entry)
            .unwrap_or_else(|error| panic!("{error:#}"));
    }
}

/// A kernel's WGSL as naga sees it.
struct Kernel {
    module: Module,
    info: naga::valid::ModuleInfo,
}

impl Kernel {
    /// Errors show the WGSL around them.
    fn new(wgsl: &str) -> Result<Kernel> {
        use naga::valid::{Capabilities, ValidationFlags, Validator};
        let module = naga::front::wgsl::parse_str(wgsl).map_err(|e| anyhow!(e.emit_to_string(wgsl)))?;
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16);
        let info = validator
            .validate(&module)
            .map_err(|e| anyhow!(e.emit_to_string(wgsl)))?;
        Ok(Kernel { module, info })
    }

    fn translate(&self, entry: &str) -> Result<()> {
        use naga::back::{hlsl, msl, spv};
        let (module, info) = (&self.module, &self.info);
        let point = spv::PipelineOptions {
            shader_stage: ShaderStage::Compute,
            entry_point: entry.into(),
        };
        spv::write_vec(module, info, &spv::Options::default(), Some(&point)).context("to SPIR-V")?;
        msl::write_string(module, info, &msl::Options::default(), &msl::PipelineOptions::default())
            .context("to MSL")?;
        let (mut text, options, pipeline) = Default::default();
        hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(module, info, None)
            .context("to HLSL")?;
        let text: String = text;
        let writes = |space| matches!(space, AddressSpace::Storage { access } if access.contains(StorageAccess::STORE));
        let has_output = module.global_variables.iter().any(|(_, var)| writes(var.space));
        ensure!(
            text.contains("RWByteAddressBuffer") == has_output,
            "HLSL with other outputs"
        );
        for name in self.names() {
            ensure!(!RESERVED.contains(&name), "a variable is called {name}");
        }
        Ok(())
    }

    /// Names of variables, values, functions and arguments.
    fn names(&self) -> impl Iterator<Item = &str> {
        let points = self.module.entry_points.iter().map(|point| &point.function);
        let functions = self.module.functions.iter().map(|(_, function)| function).chain(points);
        let in_functions = functions.flat_map(|function| {
            let locals = function.local_variables.iter().filter_map(|(_, v)| v.name.as_deref());
            let arguments = function.arguments.iter().filter_map(|a| a.name.as_deref());
            let values = function.named_expressions.values().map(String::as_str);
            function
                .name
                .as_deref()
                .into_iter()
                .chain(locals)
                .chain(arguments)
                .chain(values)
        });
        let globals = self
            .module
            .global_variables
            .iter()
            .filter_map(|(_, v)| v.name.as_deref());
        in_functions.chain(globals)
    }

    /// Name, binding and access of every buffer, in the order of the bindings.
    fn buffers(&self) -> Result<Vec<(u32, &str, Access)>> {
        let mut buffers = Vec::new();
        for (handle, variable) in self.module.global_variables.iter() {
            if let AddressSpace::Storage { access } = variable.space {
                let name = variable.name.as_deref().unwrap_or_default();
                let at = variable.binding.context("a buffer without a binding")?;
                ensure!(at.group == 0, "{name} is in group {}", at.group);
                ensure!(!self.info.get_entry_point(0)[handle].is_empty(), "{name} is never used");
                let writes = access.contains(StorageAccess::STORE);
                buffers.push((at.binding, name, if writes { Access::ReadWrite } else { Access::Read }));
            }
        }
        buffers.sort_unstable_by_key(|&(binding, ..)| binding);
        Ok(buffers)
    }

    /// Bytes, every variable rounded up to a vec4.
    fn workgroup_memory(&self) -> u32 {
        let variables = self.module.global_variables.iter().map(|(_, variable)| variable);
        let shared = variables.filter(|variable| variable.space == AddressSpace::WorkGroup);
        let size = |ty| self.module.types[ty].inner.size(self.module.to_ctx());
        shared.map(|variable| size(variable.ty).next_multiple_of(16)).sum()
    }
}

/// Names, keywords and numbers of a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
}

/// Runs `check` on every distinct kernel, with one of its passes.
fn for_each_kernel(mut check: impl FnMut(&Pass, &str) -> Result<()>) {
    let mut seen = HashSet::new();
    for_each_pass(|pass| {
        let wgsl = preprocess(pass)?;
        if seen.contains(&wgsl) {
            return Ok(());
        }
        check(pass, &wgsl)?;
        seen.insert(wgsl);
        Ok(())
    });
    assert!(seen.len() > 100, "{} kernels", seen.len());
}

#[test]
fn kernels_are_valid_and_translate() {
    for_each_kernel(|pass, wgsl| {
        let kernel = Kernel::new(wgsl)?;
        kernel.translate(pass.entry)?;

        let named: Vec<_> = (0..).zip(&pass.buffers).map(|(i, b)| (i, b.name, b.access)).collect();
        let bound = kernel.buffers()?;
        ensure!(bound == named, "the kernel binds {bound:?}, the pass {named:?}");
        ensure!(bound.len() <= 8, "{} buffers", bound.len());

        let memory = kernel.workgroup_memory();
        ensure!(memory <= 16_384, "{memory} bytes of workgroup memory");
        let [entry] = &kernel.module.entry_points[..] else {
            return Err(anyhow!(
                "one entry point is wanted, there are {}",
                kernel.module.entry_points.len()
            ));
        };
        ensure!(entry.name == pass.entry, "the entry point is {}", entry.name);
        let threads: u32 = entry.workgroup_size.iter().product();
        ensure!(threads <= 256, "{threads} threads");
        Ok(())
    });
}

/// naga's own validator looks at the WGSL only.
#[test]
fn the_validator_of_khronos_takes_every_kernel() {
    let validator = || {
        let mut command = Command::new("spirv-val");
        command.args(["--target-env", "vulkan1.1", "-"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn()
    };
    if validator().is_err() {
        eprintln!("skipped: spirv-val is not installed (Debian: spirv-tools)");
        return;
    }
    for_each_kernel(|pass, wgsl| {
        let mut child = validator()?;
        let words = spirv(wgsl, pass.entry);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        child.stdin.take().context("no input")?.write_all(&bytes)?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    });
}

/// Shifts mixed with other operations on bits need parentheses in WGSL, which naga does not ask for and browsers do.
#[test]
fn kernels_use_nothing_that_only_naga_takes() {
    let shift = |word: &str| ["<<", ">>"].contains(&word);
    let bits = |word: &str| ["&", "|", "^"].contains(&word);
    for_each_kernel(|_, wgsl| {
        for line in wgsl.lines() {
            let code = line.split("//").next().unwrap_or_default();
            // Operators between two brackets, commas or comparisons stand side by side.
            for part in code.split(['(', ')', '[', ']', ',', ';', '=']) {
                let words: Vec<&str> = part.split_whitespace().collect();
                let mixed = words.iter().any(|word| shift(word)) && words.iter().any(|word| bits(word));
                ensure!(!mixed, "{line}");
            }
        }
        Ok(())
    });
}

/// For other compilers: `KERNELS=FOLDER cargo test --release --test shaders -- write_every_kernel --ignored`.
#[test]
#[ignore = "writes files"]
fn write_every_kernel() {
    let folder = std::path::PathBuf::from(std::env::var_os("KERNELS").expect("KERNELS is a folder"));
    let mut number = 0;
    for_each_kernel(|pass, wgsl| {
        std::fs::write(folder.join(format!("{number:03}_{}.wgsl", pass.entry)), wgsl)?;
        number += 1;
        Ok(())
    });
}

#[test]
fn kernels_get_the_constants_that_they_need_and_no_others() {
    for_each_kernel(|pass, wgsl| {
        for &(name, _) in &pass.constants {
            let mut others = pass.clone();
            others.constants.retain(|&(n, _)| n != name);
            ensure!(
                others.constants.len() + 1 == pass.constants.len(),
                "{name} is given twice"
            );
            let mentions = words(wgsl).filter(|word| *word == name).count();
            ensure!(mentions > 1 || preprocess(&others).is_err(), "{name} is not needed");
        }
        Ok(())
    });
}

/// wgpu forbids a dispatch to read and write one buffer through two bindings, and its grids have a limit.
#[test]
fn buffers_are_not_aliased_and_grids_have_room() {
    for_each_pass(|pass| {
        for (i, a) in pass.buffers.iter().enumerate() {
            for b in &pass.buffers[i + 1..] {
                let both_read = a.access == Access::Read && b.access == Access::Read;
                ensure!(
                    both_read || a.tensor != b.tensor,
                    "{} and {} are one buffer",
                    a.name,
                    b.name
                );
            }
        }
        ensure!(
            pass.grid.iter().all(|&n| (1..=65_535).contains(&n)),
            "a grid of {:?}",
            pass.grid
        );
        let grid_x = pass.constants.iter().find(|(name, _)| *name == "GRID_X");
        let grid_x = grid_x.map_or(Constant::U32(1), |&(_, n)| n);
        ensure!(
            grid_x == Constant::U32(pass.grid[0]),
            "a grid of {:?}, but GRID_X = {grid_x:?}",
            pass.grid
        );
        Ok(())
    });
}

/// A `return` that only some threads take, before a barrier that all must reach, hangs or corrupts on some adapters.
#[test]
fn no_thread_returns_before_a_barrier() {
    for_each_kernel(|_, wgsl| {
        let until_barrier = wgsl
            .split("\nfn ")
            .filter_map(|text| text.rsplit_once("workgroupBarrier"));
        for (before, _) in until_barrier {
            ensure!(!before.contains("return"), "{before}");
        }
        Ok(())
    });
}

/// An operation that is in none of the plans above would not be checked.
#[test]
fn the_plans_ask_for_every_operation() {
    let names: HashSet<&str> = plans()
        .iter()
        .flat_map(|(_, plan)| plan.ops.iter().map(Op::name))
        .collect();
    assert_eq!(names.len(), 28, "{names:?}");
}

/// Neither a plan nor its lowering knows the number of members (`tests/kernels.rs` and `tests/training.rs` compare the
/// dispatches and the bits of one member and of several), so this is the number of dispatches for any number of them.
#[test]
fn a_vanilla_step_takes_28_dispatches_and_an_adversarial_one_53() {
    for (kind, dispatches) in [("training", 28), ("adversarial", 53), ("inference", 10)] {
        let is_kind = |name: &str| name == format!("vanilla, {kind}");
        let (_, plan) = plans().into_iter().find(|(name, _)| is_kind(name)).unwrap();
        for (class, precision) in TARGETS {
            let passes = passes(&plan, class, precision).0;
            assert_eq!(passes.len(), dispatches, "{kind}, {class:?}, {precision:?}");
        }
    }
}
