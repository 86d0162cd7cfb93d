//! Which function an address belongs to, from `.eh_frame_hdr`: the sorted table that the linker makes for
//! exception handling. The rewriter wants it as a sure instruction boundary to decode from. Strangers wrote
//! the tables, so an answer is a claim, not a fact. See the LSB, "Exception Frames".

/// Encodings of pointers (`DW_EH_PE_*`).
const OMIT: u8 = 0xff;
const FORMAT: u8 = 0x0f;
const ULEB128: u8 = 0x01;
const UDATA4: u8 = 0x03;
/// Signed 4 bytes, relative to the table's own address: what every linker writes.
const DATAREL_SDATA4: u8 = 0x3b;

/// Bytes read of a common information entry: real ones have about 20.
const CIE_MAX: usize = 64;

/// First and one past the last byte of the function around `pc`, when `.eh_frame` knows it.
///
/// `eh_frame_hdr` are the bytes of that section and `hdr_vaddr` is where it is mapped; `pc` and the answer are
/// addresses of the mapped image too. `read` copies from the mapped image and says whether it could; it is
/// asked for a few dozen bytes.
pub fn function_range(
    eh_frame_hdr: &[u8],
    hdr_vaddr: u64,
    pc: u64,
    read: &mut dyn FnMut(u64, &mut [u8]) -> bool,
) -> Option<(u64, u64)> {
    let mut header = Cursor(eh_frame_hdr);
    let [version, frame_encoding, count_encoding, table_encoding] = header.array()?;
    if version != 1 || count_encoding != UDATA4 || table_encoding != DATAREL_SDATA4 || frame_encoding == OMIT
    {
        return None;
    }
    header.skip(fixed_size(frame_encoding)?)?;
    let count = u32::from_le_bytes(header.array()?) as usize;
    let table = header.0.get(..count.checked_mul(8)?)?.as_chunks::<8>().0;

    // Each entry: where a function begins, where its frame description lies.
    let address = |bytes: &[u8]| {
        let mut offset = [0; 4];
        offset.copy_from_slice(bytes);
        hdr_vaddr.wrapping_add_signed(i32::from_le_bytes(offset).into())
    };
    let after = table.partition_point(|entry| address(&entry[..4]) <= pc);
    let entry = table.get(after.checked_sub(1)?)?;
    let start = address(&entry[..4]);
    let end = start.checked_add(function_len(address(&entry[4..]), read)?)?;
    (start <= pc && pc < end).then_some((start, end))
}

/// Length in bytes of the function that the frame description at `fde` is about.
fn function_len(fde: u64, read: &mut dyn FnMut(u64, &mut [u8]) -> bool) -> Option<u64> {
    // Length, back pointer to the common entry, begin and length of the function (at most 8 bytes each).
    let mut head = [0; 8];
    read(fde, &mut head).then_some(())?;
    let mut cursor = Cursor(&head);
    let len = u32::from_le_bytes(cursor.array()?);
    let back = u32::from_le_bytes(cursor.array()?);
    // 0 ends the section, all ones marks the 64-bit format, which no x86-64 linker writes.
    if len < 4 || len == u32::MAX || back == 0 {
        return None;
    }
    let cie = fde.checked_add(4)?.checked_sub(back.into())?;
    let size = fixed_size(pointer_encoding(cie, read)?)?;
    if (len as usize) < 4 + 2 * size {
        return None;
    }
    // The length has the format of the begin, but is never relative.
    let mut bytes = [0; 8];
    read(fde.checked_add(8 + size as u64)?, &mut bytes[..size]).then_some(())?;
    Some(u64::from_le_bytes(bytes))
}

/// How a common information entry says that code addresses are written.
fn pointer_encoding(cie: u64, read: &mut dyn FnMut(u64, &mut [u8]) -> bool) -> Option<u8> {
    let mut head = [0; 4];
    read(cie, &mut head).then_some(())?;
    let len = (u32::from_le_bytes(head) as usize).min(CIE_MAX);
    let mut bytes = [0; CIE_MAX];
    read(cie.checked_add(4)?, &mut bytes[..len]).then_some(())?;
    let mut cursor = Cursor(&bytes[..len]);

    let id = u32::from_le_bytes(cursor.array()?);
    let [version] = cursor.array()?;
    if id != 0 || (version != 1 && version != 3) {
        return None;
    }
    let augmentation = cursor.c_string()?;
    cursor.skip_leb128()?; // code alignment
    cursor.skip_leb128()?; // data alignment
    cursor.skip_leb128()?; // return address register; one byte in version 1, which reads alike
    let Some((b'z', letters)) = augmentation.split_first() else {
        // No augmentation: plain 8-byte addresses.
        return augmentation.is_empty().then_some(0);
    };
    cursor.skip_leb128()?; // length of what follows
    for letter in letters {
        match letter {
            b'R' => return cursor.array().map(|[encoding]| encoding),
            b'P' => {
                let [encoding] = cursor.array()?;
                cursor.skip(fixed_size(encoding)?)?;
            }
            b'L' => cursor.skip(1)?,
            b'S' | b'B' => {}
            _ => return None,
        }
    }
    Some(0)
}

/// Bytes of a pointer in this encoding; `None` for the variable-length ones, which nobody uses here.
fn fixed_size(encoding: u8) -> Option<usize> {
    match encoding & FORMAT & !8 {
        0 => Some(8),
        ULEB128 => None,
        2 => Some(2),
        UDATA4 => Some(4),
        4 => Some(8),
        _ => None,
    }
}

/// The bytes not yet read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.0 = self.0.get(count..)?;
        Some(())
    }

    fn skip_leb128(&mut self) -> Option<()> {
        let last = self.0.iter().position(|&b| b & 0x80 == 0)?;
        self.skip(last + 1)
    }

    fn c_string(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|&b| b == 0)?;
        let string = &self.0[..end];
        self.skip(end + 1)?;
        Some(string)
    }
}
