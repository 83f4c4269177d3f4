//! A payload as a table of bytes, like those of `hexdump -C`.

use std::io::{self, Write};

const WIDTH: usize = 16;

pub(super) fn write(out: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    for (number, row) in payload.chunks(WIDTH).enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        write!(out, "{:08x} ", number * WIDTH)?;
        for at in 0..WIDTH {
            let gap = if at == WIDTH / 2 { "  " } else { " " };
            match row.get(at) {
                Some(byte) => write!(out, "{gap}{byte:02x}")?,
                None => write!(out, "{gap}  ")?,
            }
        }
        out.write_all(b"  |")?;
        for &byte in row {
            let is_shown = byte == b' ' || byte.is_ascii_graphic();
            out.write_all(&[if is_shown { byte } else { b'.' }])?;
        }
        out.write_all(b"|")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn rows() {
        let written = |payload: &[u8]| {
            let mut out = Vec::new();
            super::write(&mut out, payload).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(b""), "");
        assert_eq!(
            written(b"0123456789abcdef\n\xFFx"),
            "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n\
             00000010  0a ff 78                                          |..x|"
        );
    }
}
