//! What describes a HATS catalogue besides its partitions: properties, the list of partitions, and the metadata of all
//! Parquet files in one.

use super::super::Column;
use super::super::parquet::common_metadata;
use super::super::provenance::Provenance;
use super::WrittenPartition;
use crate::files;
use crate::survey::healpix::{HEALPIX_29, ORDER_29};
use parquet::errors::Result;
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData,
};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::SystemTime;

/// Writes the files below `folder`; `position`: the names of right ascension and declination.
pub(super) fn write(
    folder: &Path,
    name: &str,
    columns: &[Column],
    position: [String; 2],
    provenance: Option<&Provenance>,
    partitions: &[WrittenPartition],
) -> io::Result<()> {
    let dataset = folder.join("dataset");
    let common = File::create(dataset.join("_common_metadata"))?;
    let common = common_metadata(common, columns, provenance)?;
    all_metadata(&dataset, common, partitions).map_err(io::Error::other)?;
    let mut list = String::from("Norder,Npix\n");
    for partition in partitions {
        list += &format!("{},{}\n", partition.pixel.order, partition.pixel.number);
    }
    fs::write(folder.join("partition_info.csv"), list)?;
    let properties = properties(name, position, partitions);
    // Readers look for either name.
    fs::write(folder.join("hats.properties"), &properties)?;
    fs::write(folder.join("properties"), &properties)
}

/// The file `_metadata`: the groups of rows of all partitions, each with the name of its file.
fn all_metadata(dataset: &Path, common: ParquetMetaData, partitions: &[WrittenPartition]) -> Result<()> {
    let mut groups = Vec::new();
    for partition in partitions {
        let file = files::open(&dataset.join(&partition.file))?;
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file)?;
        for group in metadata.row_groups() {
            groups.push(in_file(group, &partition.file)?);
        }
    }
    let all = common.into_builder().set_row_groups(groups);
    let rows = all.row_groups().iter().map(RowGroupMetaData::num_rows).sum();
    let all = all.build();
    let about = all.file_metadata();
    let about = parquet::file::metadata::FileMetaData::new(
        about.version(),
        rows,
        about.created_by().map(str::to_string),
        about.key_value_metadata().cloned(),
        about.schema_descr_ptr(),
        about.column_orders().cloned(),
    );
    let all = ParquetMetaData::new(about, all.row_groups().to_vec());
    let mut file = BufWriter::new(File::create(dataset.join("_metadata"))?);
    file.write_all(b"PAR1")?;
    ParquetMetaDataWriter::new(&mut file, &all).finish()?;
    Ok(file.flush()?)
}

fn in_file(group: &RowGroupMetaData, file: &str) -> Result<RowGroupMetaData> {
    let columns = group.columns().iter().map(|column: &ColumnChunkMetaData| {
        let column = column.clone().into_builder();
        column.set_file_path(file.to_string()).build()
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    group.clone().into_builder().set_column_metadata(columns).build()
}

fn properties(name: &str, [ra, dec]: [String; 2], partitions: &[WrittenPartition]) -> String {
    let rows: u64 = partitions.iter().map(|partition| partition.rows).sum();
    let bytes: u64 = partitions.iter().map(|partition| partition.bytes).sum();
    let most = partitions.iter().map(|partition| partition.rows).max().unwrap_or(0);
    let highest = partitions
        .iter()
        .map(|partition| partition.pixel.order)
        .max()
        .unwrap_or(0);
    let area = |partition: &WrittenPartition| 1.0 / (12.0 * 4f64.powi(partition.pixel.order.into()));
    let sky: f64 = partitions.iter().map(area).sum();
    let entries = [
        ("obs_collection", name.to_string()),
        ("dataproduct_type", "object".into()),
        ("hats_nrows", rows.to_string()),
        ("hats_col_ra", ra),
        ("hats_col_dec", dec),
        ("hats_col_healpix", HEALPIX_29.into()),
        ("hats_col_healpix_order", ORDER_29.to_string()),
        ("hats_npix_suffix", ".parquet".into()),
        ("hats_order", highest.to_string()),
        ("hats_max_rows", most.to_string()),
        ("hats_estsize", bytes.div_ceil(1024).to_string()),
        ("moc_sky_fraction", format!("{sky:?}")),
        (
            "hats_builder",
            concat!("lensgpu version ", env!("CARGO_PKG_VERSION")).into(),
        ),
        (
            "hats_creation_date",
            humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        ),
        ("hats_version", "v1.0".into()),
    ];
    let lines = entries.map(|(key, value)| format!("{key}={}\n", escaped(&value)));
    format!("#HATS catalog\n{}", lines.concat())
}

/// A value in the format of Java's properties, which has no line ends and no characters outside ASCII.
fn escaped(value: &str) -> String {
    let one = |c: char| match c {
        '\\' => "\\\\".to_string(),
        ' '..='~' => c.to_string(),
        _ => {
            let mut units = [0; 2];
            c.encode_utf16(&mut units)
                .iter()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect()
        }
    };
    value.chars().map(one).collect()
}
