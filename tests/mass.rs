//! `lensgpu mass`, from catalogue to catalogue.

use lensgpu::lens::physics::cosmology::Cosmology;
use lensgpu::survey::Catalogue;
use lensgpu::survey::table::{Column, TableWriter};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// As written by `infer --member-columns`: a good lens, one with half of its mixture below 0, one that could not be
/// read, and one for each problem with a redshift.
const CATALOGUE: &str = "\
id,theta_e,sigma,q02_5,q16,q50,q84,q97_5,flags,mu_0,mu_1,var_0,var_1,z_l,z_s,e_l,e_s,note
a,1.0,0.2,0.608007,0.801108,1.000000,1.198892,1.391993,0,1.0,1.0,0.04,0.04,0.5,2.0,0.01,0.1,\"first, good\"
b,0.15,0.2,-0.253943,-0.055137,0.150000,0.355137,0.553943,16,0.1,0.2,0.04,0.04,0.50,2.00,0.01,0.1,
c,,,,,,,,128,,,,,0.5,2.0,0.01,0.1,unread
d,1.0,0.2,0.608007,0.801108,1.000000,1.198892,1.391993,0,1.0,1.0,0.04,0.04,0.5,,0.01,0.1,
e,1.0,0.2,0.608007,0.801108,1.000000,1.198892,1.391993,0,1.0,1.0,0.04,0.04,-0.5,2.0,0.01,0.1,
f,1.0,0.2,0.608007,0.801108,1.000000,1.198892,1.391993,0,1.0,1.0,0.04,0.04,0.5,0.4,0.01,0.1,
g,1.2,0.3,0.667382,0.833834,1.169694,1.581008,1.784897,0,0.9,1.5,0.02,0.03,0.5,0.6,0.02,0.1,near source
h,1.0,0.2,0.608007,0.801108,1.000000,1.198892,1.391993,0,1.0,1.0,0.04,0.04,0.5,2.0,,-1,
";

/// The quantiles of row a.
const ROW_A: [f64; 5] = [0.608007, 0.801108, 1.000000, 1.198892, 1.391993];

fn mass(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lensgpu"))
        .arg("mass")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.csv"), CATALOGUE).unwrap();
    folder
}

fn read(folder: &Path, arguments: &str, name: &str) -> Catalogue {
    let output = mass(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Catalogue::read(&folder.join(name)).unwrap()
}

fn number(catalogue: &Catalogue, row: usize, column: &str) -> f64 {
    catalogue.number(row, catalogue.find(column).expect(column))
}

fn quantiles(catalogue: &Catalogue, row: usize) -> [f64; 5] {
    ["q02_5", "q16", "q50", "q84", "q97_5"].map(|q| number(catalogue, row, &format!("log10_mass_e_{q}")))
}

fn flags(catalogue: &Catalogue) -> Vec<i32> {
    (0..catalogue.len())
        .map(|row| number(catalogue, row, "mass_flags") as i32)
        .collect()
}

fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

const EXACT: &str = "in.csv --z-lens z_l --z-source z_s -o out.csv";
const ERRORS: &str = "in.csv --z-lens z_l --z-source z_s --z-lens-error e_l --z-source-error e_s -o out.csv";

#[test]
fn masses_are_added_and_other_columns_are_passed_through() {
    let folder = folder();
    let out = read(folder.path(), EXACT, "out.csv");
    let old = Catalogue::read(&folder.path().join("in.csv")).unwrap();
    assert_eq!(out.columns[..old.columns.len()], old.columns);
    for row in 0..old.len() {
        for column in 0..old.columns.len() {
            assert_eq!(out.text(row, column), old.text(row, column));
        }
    }
    assert_eq!(flags(&out), [0, 32, 1, 2, 4, 8, 0, 0]);
    // From astropy: see src/lens/physics/einstein.rs.
    assert_close(number(&out, 0, "log10_mass_e"), 11.400683994, 1e-8);
    assert_close(number(&out, 0, "sigma_v_sis"), 233.98097422, 1e-6);
    assert_close(number(&out, 0, "r_einstein_kpc"), 6.2912091049, 1e-8);
    // The 16 and 84 % quantiles of a Gaussian are at 0.994458 sigma.
    assert_close(
        number(&out, 0, "r_einstein_kpc_error"),
        6.2912091 * 0.2 * 0.9944579,
        1e-5,
    );
    for row in 2..6 {
        assert!(
            out.columns[old.columns.len()..out.columns.len() - 1]
                .iter()
                .all(|column| number(&out, row, column).is_nan())
        );
    }
}

#[test]
fn quantiles_agree_with_random_draws() {
    let folder = folder();
    let exact = read(folder.path(), EXACT, "out.csv");
    let arguments = format!("{ERRORS} --samples 200000 --seed 3");
    let errors = read(folder.path(), &arguments, "out.csv");
    assert_eq!(flags(&errors), [0, 32, 1, 2, 4, 8, 64, 128]);

    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    for row in [0, 1, 6] {
        let value = |column: &str| number(&exact, row, column);
        let mut masses = [vec![], vec![]];
        let mut impossible = 0;
        let draws = 200_000;
        for i in 0..draws {
            let member = i % 2;
            let theta_e = value(&format!("mu_{member}")) + value(&format!("var_{member}")).sqrt() * normal();
            let z = [value("z_l"), value("z_s")];
            let drawn = [z[0] + value("e_l") * normal(), z[1] + value("e_s") * normal()];
            impossible += usize::from(drawn[0] <= 0.0 || drawn[0] >= drawn[1]);
            if theta_e <= 0.0 {
                continue;
            }
            for (masses, z) in masses.iter_mut().zip([z, drawn]) {
                if let Ok(distances) = Cosmology::default().distances(z[0], z[1]) {
                    masses.push(distances.einstein_mass(theta_e).log10());
                }
            }
        }
        for (masses, catalogue) in masses.iter_mut().zip([&exact, &errors]) {
            masses.sort_by(f64::total_cmp);
            for (q, p) in quantiles(catalogue, row)
                .into_iter()
                .zip([0.025, 0.16, 0.5, 0.84, 0.975])
            {
                let fraction = masses.partition_point(|mass| *mass <= q) as f64 / masses.len() as f64;
                assert_close(fraction, p, 6.0 * (p * (1.0 - p) / 150_000.0).sqrt());
            }
        }
        let fraction = impossible as f64 / f64::from(draws);
        assert_close(number(&errors, row, "redshift_cut"), fraction, 0.004);
    }
    // A redshift without an error is taken as exact.
    for (found, expected) in quantiles(&errors, 7).into_iter().zip(quantiles(&exact, 7)) {
        assert_close(found, expected, 1e-12);
    }
}

#[test]
fn a_row_does_not_depend_on_the_others() {
    let folder = folder();
    let whole = read(folder.path(), ERRORS, "out.csv");
    let lines: Vec<&str> = CATALOGUE.lines().collect();
    fs::write(folder.path().join("in.csv"), [lines[0], lines[7], lines[1]].join("\n")).unwrap();
    let part = read(folder.path(), ERRORS, "out.csv");
    assert_eq!(quantiles(&part, 0), quantiles(&whole, 6));
    assert_eq!(quantiles(&part, 1), quantiles(&whole, 0));
    let other_seed = read(folder.path(), &format!("{ERRORS} --seed 1"), "out.csv");
    assert_ne!(quantiles(&other_seed, 0), quantiles(&part, 0));
}

#[test]
fn without_member_columns_the_distribution_comes_from_quantiles() {
    let folder = folder();
    let members = read(folder.path(), EXACT, "out.csv");
    let output = mass(folder.path(), &format!("{EXACT} --from-quantiles --json"));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["distribution"], "quantiles");
    assert_eq!((&summary["rows"], &summary["with_mass"]), (&8.into(), &4.into()));
    assert_eq!(summary["flagged"]["source_in_front"], 1);
    let rebuilt = Catalogue::read(&folder.path().join("out.csv")).unwrap();
    for (q, theta_e) in quantiles(&rebuilt, 0).into_iter().zip(ROW_A) {
        assert_close(q, number(&members, 0, "log10_mass_e") + 2.0 * theta_e.log10(), 1e-4);
    }
}

/// Intervals of half the width, as calibration makes them of an ensemble that is too wide.
#[test]
fn of_a_calibrated_catalogue_the_quantiles_count_and_not_the_members() {
    let folder = folder();
    let raw = read(folder.path(), EXACT, "out.csv");
    let [old, new] = [ROW_A, ROW_A.map(|q| 0.5 * (1.0 + q))].map(|q| q.map(|q| format!("{q:.6}")).join(","));
    fs::write(folder.path().join("in.csv"), CATALOGUE.replace(&old, &new)).unwrap();
    let output = mass(folder.path(), &format!("{EXACT} --json"));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["distribution"], "quantiles");
    let calibrated = Catalogue::read(&folder.path().join("out.csv")).unwrap();
    let width = |q: [f64; 5]| q[3] - q[1];
    let ratio = width(quantiles(&calibrated, 0)) / width(quantiles(&raw, 0));
    assert!((0.45..0.55).contains(&ratio), "{ratio}");
    for (q, theta_e) in quantiles(&calibrated, 0).into_iter().zip(ROW_A) {
        let expected = number(&raw, 0, "log10_mass_e") + 2.0 * (0.5 * (1.0 + theta_e)).log10();
        assert_close(q, expected, 1e-4);
    }
}

#[test]
fn fits_tables_are_read_and_written() {
    let folder = folder();
    let csv = read(folder.path(), EXACT, "out.csv");
    let input = Catalogue::read(&folder.path().join("in.csv")).unwrap();
    let columns: Vec<Column> = (0..input.columns.len()).map(|i| input.described(i)).collect();
    let mut writer = TableWriter::create(&folder.path().join("in.fits"), columns.clone()).unwrap();
    for row in 0..input.len() {
        let cell = |(i, column): (usize, &Column)| column.column_type.cell(input.text(row, i));
        let cells: Vec<_> = columns.iter().enumerate().map(cell).collect();
        writer.push(&cells).unwrap();
    }
    writer.finish().unwrap();
    for name in ["in.csv", "in.fits"] {
        let arguments = format!("{name} --z-lens z_l --z-source z_s -o out.fits");
        let fits = read(folder.path(), &arguments, "out.fits");
        assert_eq!(fits.columns, csv.columns);
        assert_eq!(fits.described(fits.find("theta_e").unwrap()).unit, "arcsec");
        assert_eq!(fits.described(fits.find("sigma_v_sis").unwrap()).unit, "km/s");
        for row in 0..csv.len() {
            assert_eq!(fits.text(row, 0), csv.text(row, 0));
            for column in ["theta_e", "log10_mass_e", "sigma_v_sis_error", "mass_flags"] {
                let pair = [&csv, &fits].map(|c| number(c, row, column));
                assert!(
                    pair[0] == pair[1] || pair.iter().all(|v| v.is_nan()),
                    "{row} {column} {pair:?}"
                );
            }
        }
    }
    // Masses cannot be added twice.
    let output = mass(folder.path(), "out.fits --z-lens z_l --z-source z_s -o again.fits");
    assert!(String::from_utf8_lossy(&output.stderr).contains("out.fits already has a column 'log10_mass_e'"));
}

#[test]
fn errors_name_the_problem() {
    let folder = folder();
    let cases = [
        (
            "in.csv --z-lens zz --z-source z_s -o out.csv",
            "in.csv has no column 'zz'; it has: id, theta_e,",
        ),
        ("in.csv --z-lens z_l --z-source zz -o out.csv", "--z-source"),
        (
            "in.csv --z-lens z_l --z-source z_s --z-source-error zz -o out.csv",
            "--z-source-error",
        ),
        (
            "in.csv --z-lens z_l --z-source z_s --id-column zz -o out.csv",
            "--id-column",
        ),
        (
            "in.csv --z-lens z_l --z-source z_s -o out.hdf5",
            "out.hdf5: cannot write",
        ),
        (
            "in.csv --z-lens z_l --z-source z_s -o none/out.csv",
            "there is no folder none",
        ),
        (
            "none.csv --z-lens z_l --z-source z_s -o out.csv",
            "cannot open the catalogue none.csv",
        ),
        (
            "in.csv --z-lens z_l --z-source z_s --omega-lambda 2 -o out.csv",
            "no big bang",
        ),
        ("in.csv --z-lens z_l --z-source z_s --h0 -1 -o out.csv", "H0 is -1"),
        (
            "in.csv --z-lens z_l --z-source z_s --samples 3 -o out.csv",
            "3 random draws per row are too few for quantiles",
        ),
        (
            "bare.csv --z-lens z --z-source z -o out.csv",
            "bare.csv has no column 'q02_5'; it has: id, z",
        ),
    ];
    fs::write(folder.path().join("bare.csv"), "id,z\n1,2\n").unwrap();
    for (arguments, expected) in cases {
        let output = mass(folder.path(), arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && error.contains(expected),
            "{arguments}: {error}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "{arguments}");
    }
}
