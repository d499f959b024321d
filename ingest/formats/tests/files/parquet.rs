use super::*;
use ::parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type, Int96, Int96Type,
};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use ::parquet::schema::parser::parse_message_type;
use std::sync::Arc;

/// A Parquet file of these columns; a function writes each.
fn write(schema: &str, compression: Compression, columns: &[&dyn Fn(&mut SerializedColumnWriter<'_>)]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for write in columns {
        let mut column = group.next_column().unwrap().unwrap();
        write(&mut column);
        column.close().unwrap();
    }
    assert!(group.next_column().unwrap().is_none());
    group.close().unwrap();
    writer.into_inner().unwrap()
}

/// Writes a column of one value.
fn one<T: DataType>(value: T::T) -> impl Fn(&mut SerializedColumnWriter<'_>) {
    move |column: &mut SerializedColumnWriter<'_>| {
        column.typed::<T>().write_batch(std::slice::from_ref(&value), None, None).unwrap();
    }
}

fn text(value: &str) -> ByteArray {
    ByteArray::from(value)
}

fn read(bytes: &[u8]) -> Vec<Row> {
    let (_folder, path) = in_folder("x.csv", bytes);
    let reader = Reader::open(&path, &Options::default()).unwrap();
    assert_eq!(reader.format(), Format::Parquet);
    reader.map(|item| item.unwrap().unwrap()).collect()
}

#[test]
fn every_codec_is_read() {
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        let bytes = write(
            "message m { required binary title (UTF8); }",
            codec,
            &[&|column| {
                let values = [text("Profit"), text("Loss")];
                column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
            }],
        );
        let rows = read(&bytes);
        assert_eq!(rows[1].get("title"), Some(&Value::Text("Loss".into())), "{codec:?}");
        assert_eq!((rows[1].number, &rows[1].raw[..]), (2, &b"{\"title\":\"Loss\"}"[..]));
    }
}

/// A column of each type.
const TYPES: &str = "message m {
    required int64 utc (TIMESTAMP(NANOS,true));
    required int64 local (TIMESTAMP(MICROS,false));
    required int64 old (TIMESTAMP_MILLIS);
    required int96 older;
    required int32 day (DATE);
    required int64 big;
    required int32 small (INTEGER(8,false));
    required int64 price (DECIMAL(18,4));
    required fixed_len_byte_array(3) wide (DECIMAL(5,2));
    required double close;
    required float weight;
    required boolean ok;
    required binary plain;
    required binary bytes;
    optional binary none (UTF8);
    required int32 time (TIME_MILLIS);
}";

#[test]
fn types_are_kept() {
    let ns = 1_747_078_980_123_456_789_i64;
    let mut int96 = Int96::new();
    int96.set_data(0, 0, 2_440_589);
    let bytes = write(
        TYPES,
        Compression::SNAPPY,
        &[
            &one::<Int64Type>(ns),
            &one::<Int64Type>(ns / 1000),
            &one::<Int64Type>(ns / 1_000_000),
            &one::<Int96Type>(int96),
            &one::<Int32Type>(20_220),
            &one::<Int64Type>(i64::MAX),
            &one::<Int32Type>(255),
            &one::<Int64Type>(-1_931_000),
            &one::<FixedLenByteArrayType>(FixedLenByteArray::from(vec![0, 0x30, 0x39])),
            &one::<DoubleType>(f64::NAN),
            &one::<FloatType>(0.1),
            &one::<BoolType>(true),
            &one::<ByteArrayType>(text("old text")),
            &one::<ByteArrayType>(ByteArray::from(vec![0xff, 0])),
            &|column| {
                column.typed::<ByteArrayType>().write_batch(&[], Some(&[0]), None).unwrap();
            },
            &one::<Int32Type>(34_200_000),
        ],
    );
    let row = read(&bytes).remove(0);
    let number = |digits: &str| Value::Number(digits.into());
    for (name, value) in [
        ("utc", Value::Instant("2025-05-12T19:43:00.123456789Z".parse().unwrap())),
        ("local", Value::Civil("2025-05-12T19:43:00.123456".parse().unwrap())),
        ("old", Value::Instant("2025-05-12T19:43:00.123Z".parse().unwrap())),
        ("older", Value::Civil("1970-01-02T00:00:00".parse().unwrap())),
        ("day", Value::Date("2025-05-12".parse().unwrap())),
        ("big", number("9223372036854775807")),
        ("small", number("255")),
        ("price", number("-193.1000")),
        ("wide", number("123.45")),
        ("close", Value::Null),
        ("weight", number("0.1")),
        ("ok", Value::Bool(true)),
        ("plain", Value::Text("old text".into())),
        ("bytes", Value::Object(vec![("base64".into(), Value::Text("/wA=".into()))])),
        ("none", Value::Null),
        ("time", Value::Text("09:30:00".into())),
    ] {
        assert_eq!(row.get(name), Some(&value), "{name}");
    }
}

#[test]
fn lists_structs_and_maps_are_kept() {
    let schema = "message m {
        optional group symbols (LIST) { repeated group list { optional binary element (UTF8); } }
        optional group times (LIST) { repeated group list { optional int64 element (TIMESTAMP(NANOS,true)); } }
        required group publisher { required binary name (UTF8); required int64 at (TIMESTAMP(MILLIS,true)); }
        optional group tags (MAP) { repeated group key_value { required binary key (UTF8); optional int64 value; } }
        repeated int32 bare;
    }";
    let bytes = write(
        schema,
        Compression::SNAPPY,
        &[
            &|c| {
                let values = [text("MKR"), text("ABC")];
                c.typed::<ByteArrayType>()
                    .write_batch(&values, Some(&[3, 2, 3, 1, 0]), Some(&[0, 1, 1, 0, 0]))
                    .unwrap();
            },
            &|c| {
                c.typed::<Int64Type>().write_batch(&[1], Some(&[3, 1, 0]), Some(&[0, 0, 0])).unwrap();
            },
            &|c| {
                c.typed::<ByteArrayType>().write_batch(&[text("Desk"), text("B"), text("C")], None, None).unwrap();
            },
            &|c| {
                c.typed::<Int64Type>().write_batch(&[1000, 2, 3], None, None).unwrap();
            },
            &|c| {
                c.typed::<ByteArrayType>().write_batch(&[text("k")], Some(&[2, 0, 0]), Some(&[0, 0, 0])).unwrap();
            },
            &|c| {
                c.typed::<Int64Type>().write_batch(&[7], Some(&[3, 0, 0]), Some(&[0, 0, 0])).unwrap();
            },
            &|c| {
                c.typed::<Int32Type>().write_batch(&[1, 2], Some(&[1, 1, 0, 0]), Some(&[0, 1, 0, 0])).unwrap();
            },
        ],
    );
    let rows = read(&bytes);
    assert_eq!(
        rows.iter().map(|row| String::from_utf8(row.raw.clone()).unwrap()).collect::<Vec<_>>(),
        [
            r#"{"symbols":["MKR",null,"ABC"],"times":["1970-01-01T00:00:00.000000001Z"],"publisher":{"name":"Desk","at":"1970-01-01T00:00:01Z"},"tags":{"k":7},"bare":[1,2]}"#,
            r#"{"symbols":[],"times":[],"publisher":{"name":"B","at":"1970-01-01T00:00:00.002Z"},"tags":null,"bare":[]}"#,
            r#"{"symbols":null,"times":null,"publisher":{"name":"C","at":"1970-01-01T00:00:00.003Z"},"tags":null,"bare":[]}"#,
        ]
    );
}

#[test]
fn only_some_columns_are_read_where_that_is_asked() {
    let bytes = write(
        "message m { required int32 a; required int32 b; }",
        Compression::SNAPPY,
        &[
            &|c| {
                c.typed::<Int32Type>().write_batch(&[1], None, None).unwrap();
            },
            &|c| {
                c.typed::<Int32Type>().write_batch(&[2], None, None).unwrap();
            },
        ],
    );
    let (_folder, path) = in_folder("x.parquet", &bytes);
    let mut reader = Reader::open(&path, &Options::default()).unwrap();
    reader.only(&["b"]).unwrap();
    assert_eq!(shown(&reader.next().unwrap().unwrap()), "1 b=2");
    assert_eq!(reader.position(), reader.total().unwrap());
    assert!(reader.only(&["a"]).is_err());
}

#[test]
fn damage_anywhere_is_an_error_that_names_the_file_or_changes_a_value_only() {
    let whole = write(
        "message m { required binary title (UTF8); }",
        Compression::SNAPPY,
        &[&|column| {
            let values: Vec<ByteArray> = (0..50).map(|id| text(&format!("title {id}"))).collect();
            column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
        }],
    );
    for at in 4..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        let (_folder, path) = in_folder("damaged.parquet", &damaged);
        let read = Reader::open(&path, &Options::default()).and_then(|reader| reader.collect::<Result<Vec<_>, _>>());
        if let Err(error) = read {
            assert!(error.to_string().contains("damaged.parquet"), "byte {at}: {error}");
        }
    }
}
