use super::*;
use std::io::Write as _;

const CSV: &[u8] = b"id,title\n1,Profit\n2,Loss\n";

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    // Compresses as the program `zstd` does.
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Compress = fn(&[u8]) -> Vec<u8>;
const ALL: [(&str, Compress); 4] = [("gzip", gzip), ("Zstandard", zstd), ("bzip2", bzip2), ("xz", xz)];

#[test]
fn every_compression_is_recognised_by_its_contents_whatever_the_name() {
    for (name, compress) in ALL {
        let (_folder, path) = in_folder("news.csv", &compress(CSV));
        let mut reader = Reader::open(&path, &Options::default()).unwrap();
        let read: Vec<String> = reader.by_ref().map(|item| shown(&item.unwrap())).collect();
        assert_eq!(read, rows(CSV), "{name}");
        assert_eq!(Some(reader.position()), reader.total(), "{name}");
        assert_eq!(rows(&gzip(&compress(CSV))), rows(CSV), "{name} in gzip");
        // Several members, one after the other.
        let (head, tail) = CSV.split_at(12);
        assert_eq!(rows(&[compress(head), compress(tail)].concat()), rows(CSV), "{name} of two members");
    }
    assert_eq!(rows(&[gzip(CSV), vec![0; 1000]].concat()), rows(CSV), "zeros after the end");
}

#[test]
fn compressed_data_without_end_is_an_error_after_the_whole_rows() {
    // Texts that hardly compress, so that rows come before the cut.
    let mut csv = String::from("id,title\n");
    let mut state = 7_u64;
    for id in 0..40_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        csv += &format!("{id},{state:x}\n");
    }
    for (name, compress) in ALL {
        let whole = compress(csv.as_bytes());
        for cut in [whole.len() - 1, whole.len() - 9, whole.len() * 2 / 3] {
            let (items, error) = all(&whole[..cut], &Options::default());
            let error = error.unwrap_or_else(|| panic!("{name} {cut} of {}", whole.len()));
            assert!(
                matches!(&error, FormatError::CutOff { rows, what, .. } if *rows == items.len() as u64 && what.contains(name)),
                "{name}: {error}"
            );
            assert!(items.len() > 1000 && items.iter().all(Result::is_ok), "{name}: {}", items.len());
        }
    }
}

#[test]
fn damaged_compressed_data_is_an_error_that_names_it() {
    for (name, compress) in ALL {
        let mut bytes = compress(&CSV.repeat(50));
        let at = bytes.len() / 2;
        bytes[at] ^= 0xff;
        bytes[at + 1] ^= 0xff;
        let error = error_of(&bytes, &Options::default());
        assert!(error.contains(name), "{error}");
    }
    let error = error_of(&[gzip(CSV), b"this is not gzip at all".to_vec()].concat(), &Options::default());
    assert!(error.starts_with("file is damaged after row 2: its gzip data"), "{error}");
    assert_eq!(rows(b"BZh is how this text begins,x\n1,2\n").len(), 1);
}

#[test]
fn a_bomb_does_not_fill_the_memory() {
    let bomb = gzip(&gzip_of_spaces(64 << 20));
    let (items, error) = all(&bomb, &Options { format: Some(Format::Text), ..Options::default() });
    assert!(error.is_none());
    let unreadable = items[0].as_ref().unwrap_err();
    assert!(unreadable.reason.contains("longer than 4 MiB") && unreadable.raw.len() <= 64 << 10);
}

fn gzip_of_spaces(count: usize) -> Vec<u8> {
    gzip(&vec![b' '; count])
}
