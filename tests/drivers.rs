//! The kernels of the standard plans in the compiler of a real GPU's driver, without the GPU: Mesa's RADV compiles for
//! AMD's graphics chips on any machine. Prints registers, spills and occupancy, and fails on a spill or on too few waves.
//!
//! `scripts/shader-stats` prints the table.

#![cfg(target_os = "linux")]

#[path = "kernel_cases/spirv.rs"]
mod spirv;

use ash::{Entry, vk};
use lensgpu::device::Precision;
use lensgpu::device::gpu::preprocess::preprocess;
use lensgpu::device::gpu::{AdapterClass, lower};
use lensgpu::lens::Population;
use lensgpu::lens::simulate::plan::{LensPlan, Window};
use lensgpu::nn::{Capacity, Layout, Network, NetworkPlan, Training};
use lensgpu::plan::Plan;
use spirv::spirv;
use std::collections::{BTreeMap, HashSet};
use std::ffi::{CStr, CString};
use std::path::PathBuf;
use std::process::Command;

/// Graphics chips as Mesa names them: Radeon RX 6800 to 6950 (Navi 21) and RX 7900 (Navi 31).
const CHIPS: [&str; 2] = ["navi21", "gfx1100"];

/// Subgroups per SIMD unit, of 32 as RADV counts, which a kernel must leave room for: fewer cannot hide the latency of memory.
const LEAST_WAVES: u64 = 8;

/// What a driver says about a kernel, by its own names.
type Statistics = BTreeMap<String, u64>;

/// Kernels as wide as a user may ask for.
const WIDE: &str = "
    layers = [
        { layer = 'conv', name = 'conv1', filters = 16, kernel = 17, padding = 'same', activation = 'relu' },
        { layer = 'conv', name = 'conv2', filters = 16, kernel = 11, stride = 2, activation = 'relu' },
        { layer = 'conv', name = 'conv3', filters = 16, kernel = 7, activation = 'relu' },
        { layer = 'flatten' },
        { layer = 'heads', mean = 'mean', var = 'var' },
    ]";

/// Training, adversarial training and inference of the networks that the program contains and of one with wide kernels, and a
/// simulation.
fn plans() -> Vec<(String, Plan)> {
    let mut plans = Vec::new();
    for (name, input, batch, network) in [
        ("wide", [55, 55, 4], 16, WIDE),
        (
            "vanilla",
            [55, 55, 3],
            32,
            include_str!("../assets/networks/vanilla.toml"),
        ),
        (
            "residual55",
            [55, 55, 3],
            16,
            include_str!("../assets/networks/residual55.toml"),
        ),
        (
            "residual101",
            [101, 101, 1],
            16,
            include_str!("../assets/networks/residual101.toml"),
        ),
    ] {
        let network = Network::from_toml(network, &input).unwrap();
        let layout = Layout::new(&network).unwrap();
        let plain = Training::new(batch, Capacity { pool: 1000, steps: 100 });
        let adversarial = Training {
            adversarial: true,
            shift: 2,
            average: 0.999,
            ..plain
        };
        for (what, plan) in [
            ("training", NetworkPlan::training(&network, &layout, &plain)),
            ("adversarial", NetworkPlan::training(&network, &layout, &adversarial)),
            ("inference", NetworkPlan::inference(&network, &layout, 64)),
        ] {
            plans.push((format!("{name} {what}"), plan.unwrap().plan));
        }
    }
    let population = Population::preset("lfc1-ground").unwrap();
    let lens = LensPlan::new(&population, &Window::whole(&population), 64, None);
    plans.push(("lfc1-ground simulation".into(), lens.plan));
    plans
}

/// A kernel: where it is used first, its operation and layer, its entry point and SPIR-V.
struct Kernel {
    plan: String,
    operation: String,
    entry: &'static str,
    spirv: Vec<u32>,
}

fn kernels() -> Vec<Kernel> {
    let (mut seen, mut kernels) = (HashSet::new(), Vec::new());
    for (name, plan) in plans() {
        let lowered = Precision::ALL.map(|precision| (precision, lower(&plan, AdapterClass::Gpu, precision)));
        let passes = lowered
            .into_iter()
            .flat_map(|(precision, lowered)| lowered.passes.into_iter().map(move |pass| (precision, pass)));
        for (precision, (number, pass)) in passes {
            let wgsl = preprocess(&pass).unwrap();
            if seen.insert(wgsl.clone()) {
                let op = &plan.ops[number];
                kernels.push(Kernel {
                    plan: format!("{name}, {}", precision.name()),
                    operation: format!("{} {}", op.name(), op.layer()),
                    entry: pass.entry,
                    spirv: spirv(&wgsl, pass.entry),
                });
            }
        }
    }
    kernels
}

/// The driver's compiler.
struct Compiler {
    device: ash::Device,
    statistics: ash::khr::pipeline_executable_properties::Device,
    layout: vk::PipelineLayout,
    // Unloads the driver when dropped: last.
    _entry: Entry,
}

impl Compiler {
    /// That of the first device of the Vulkan loader.
    fn new() -> Compiler {
        // SAFETY: the loader is a library without requirements of its own; `Compiler` keeps it as long as its objects.
        let entry = unsafe { Entry::load() }.unwrap();
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_2);
        let create = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: all that the structures point to lives until the calls return, and each object is used with the one
        // that made it. Nothing is destroyed: the process ends with the test.
        unsafe {
            let instance = entry.create_instance(&create, None).unwrap();
            let physical = instance.enumerate_physical_devices().unwrap()[0];
            let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
            let extensions = [ash::khr::pipeline_executable_properties::NAME.as_ptr()];
            let mut properties =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
            let mut memory = vk::PhysicalDeviceVulkanMemoryModelFeatures::default().vulkan_memory_model(true);
            let mut f16 = vk::PhysicalDeviceShaderFloat16Int8Features::default().shader_float16(true);
            let mut storage = vk::PhysicalDevice16BitStorageFeatures::default().storage_buffer16_bit_access(true);
            let create = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .enabled_extension_names(&extensions)
                .push_next(&mut properties)
                .push_next(&mut memory)
                .push_next(&mut f16)
                .push_next(&mut storage);
            let device = instance.create_device(physical, &create, None).unwrap();
            let bindings: Vec<_> = (0..8)
                .map(|binding| {
                    vk::DescriptorSetLayoutBinding::default()
                        .binding(binding)
                        .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                        .descriptor_count(1)
                        .stage_flags(vk::ShaderStageFlags::COMPUTE)
                })
                .collect();
            let create = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let sets = [device.create_descriptor_set_layout(&create, None).unwrap()];
            let create = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            Compiler {
                layout: device.create_pipeline_layout(&create, None).unwrap(),
                statistics: ash::khr::pipeline_executable_properties::Device::new(&instance, &device),
                device,
                _entry: entry,
            }
        }
    }

    fn compile(&self, kernel: &Kernel) -> Statistics {
        let entry = CString::new(kernel.entry).unwrap();
        let module = vk::ShaderModuleCreateInfo::default().code(&kernel.spirv);
        // SAFETY: as in `new`.
        let statistics = unsafe {
            let module = self.device.create_shader_module(&module, None).unwrap();
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(&entry);
            let create = vk::ComputePipelineCreateInfo::default()
                .flags(vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR)
                .layout(self.layout)
                .stage(stage);
            let cache = vk::PipelineCache::null();
            let pipeline = self.device.create_compute_pipelines(cache, &[create], None).unwrap()[0];
            let executable = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
            self.statistics.get_pipeline_executable_statistics(&executable).unwrap()
        };
        let name = |text: &[std::ffi::c_char]| {
            let bytes: Vec<u8> = text.iter().map(|c| *c as u8).collect();
            CStr::from_bytes_until_nul(&bytes)
                .unwrap()
                .to_string_lossy()
                .into_owned()
        };
        // SAFETY: RADV's statistics are unsigned integers.
        let value = |s: &vk::PipelineExecutableStatisticKHR| unsafe { s.value.u64 };
        statistics.iter().map(|s| (name(&s.name), value(s))).collect()
    }
}

/// The file that leads the Vulkan loader to RADV, where it is installed.
fn radv() -> Option<PathBuf> {
    let folder = std::fs::read_dir("/usr/share/vulkan/icd.d").ok()?;
    let files = folder.flatten().map(|entry| entry.path());
    files
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("radeon_icd"))
        })
        .min()
}

const SHOWN: [&str; 8] = [
    "VGPRs",
    "SGPRs",
    "Spilled VGPRs",
    "Spilled SGPRs",
    "LDS size",
    "Subgroups per SIMD",
    "Latency",
    "Inverse Throughput",
];

/// Prints a table for the chip in RADV_FORCE_FAMILY, which the loader reads once per process.
#[test]
#[ignore = "run by the test below, and by scripts/shader-stats"]
fn statistics_of_one_chip() {
    let compiler = Compiler::new();
    println!("kernel\toperation\tfirst used by\t{}", SHOWN.join("\t"));
    for kernel in kernels() {
        let statistics = compiler.compile(&kernel);
        let values = SHOWN.map(|name| statistics.get(name).map_or("?".into(), u64::to_string));
        let Kernel {
            plan, operation, entry, ..
        } = kernel;
        println!("{entry}\t{operation}\t{plan}\t{}", values.join("\t"));
    }
}

#[test]
fn no_kernel_spills_registers_or_starves_the_chip() {
    let Some(driver) = radv() else {
        eprintln!("skipped: Mesa's RADV is not installed");
        return;
    };
    for chip in CHIPS {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["statistics_of_one_chip", "--exact", "--ignored", "--nocapture"])
            .env("RADV_FORCE_FAMILY", chip)
            .env("VK_DRIVER_FILES", &driver)
            .env("VK_ICD_FILENAMES", &driver)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            // An older Mesa does not know the chip.
            assert!(error.contains("Unknown family"), "{chip}: {error}{text}");
            eprintln!("skipped: this RADV does not know {chip}");
            continue;
        }
        let rows = text
            .lines()
            .filter(|line| line.matches('\t').count() == SHOWN.len() + 2);
        let rows: Vec<Vec<&str>> = rows.skip(1).map(|line| line.split('\t').collect()).collect();
        assert!(rows.len() > 50, "{chip}: {} kernels", rows.len());
        for row in rows {
            let number = |name: &str| -> u64 {
                let column = 3 + SHOWN.iter().position(|shown| *shown == name).unwrap();
                row[column].parse().unwrap()
            };
            // Scalar registers are spilled to lanes of vector registers, not to memory.
            assert_eq!(number("Spilled VGPRs"), 0, "{chip}: {row:?}");
            // The tiles of wide kernels fill the workgroup memory.
            let wide = row[2].starts_with("wide");
            assert!(wide || number("Subgroups per SIMD") >= LEAST_WAVES, "{chip}: {row:?}");
        }
    }
}
