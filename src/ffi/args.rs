//! What comes in and goes out: pointers with lengths, sized structs, limits. Every message names the field and the mend.

use std::ffi::{CStr, c_char};
use std::fmt::{self, Display};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use super::handle::{self, Tabled};
use crate::config::{LONGEST_LIMIT, TimeLimit};
use crate::error::{Error, Result, Status};

// build.rs writes these three: cbindgen leaves out parentheses and `usize::MAX`.

/// Switches a limit or a feature off. 0 is the default everywhere.
///
/// cbindgen:ignore
pub const AIP_OFF: i64 = -1;

/// No bound. 0 is the default everywhere.
///
/// cbindgen:ignore
pub const AIP_UNLIMITED: i64 = -2;

/// As a length: the text ends with a NUL.
///
/// cbindgen:ignore
pub const AIP_NUL_TERMINATED: usize = usize::MAX;

/// More elements of a list than these are a slip of the pen.
const MOST_ELEMENTS: usize = 1_000_000;

/// The name of an element: written only into an error.
#[derive(Clone, Copy)]
pub struct Nth<'a>(pub &'a str, pub usize);

impl Display for Nth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.0, self.1)
    }
}

/// The bytes of (pointer, length).
///
/// # Safety
/// Where `data` is not NULL, `len` bytes at it stay readable and unchanged for `'a`.
pub unsafe fn bytes<'a>(field: impl Display, data: *const u8, len: usize) -> Result<&'a [u8]> {
    match (data.is_null(), len) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Error::invalid(field, "is NULL but its length is not 0")),
        (false, len) if len > isize::MAX as usize => {
            Err(Error::invalid(field, "has an impossible length; give its bytes"))
        }
        // SAFETY: not NULL, and the caller's promise.
        (false, len) => Ok(unsafe { std::slice::from_raw_parts(data, len) }),
    }
}

/// The elements of (pointer, count).
///
/// # Safety
/// Where `data` is not NULL, `count` elements at it stay readable and unchanged for `'a`.
pub unsafe fn elements<'a, T>(field: &str, data: *const T, count: usize) -> Result<&'a [T]> {
    match (data.is_null(), count) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Error::invalid(field, "is NULL but its count is not 0")),
        (false, count) if count > MOST_ELEMENTS => {
            Err(Error::invalid(field, format_args!("has {count} elements; {MOST_ELEMENTS} is the most")))
        }
        (false, _) if !data.is_aligned() => Err(Error::invalid(field, "is not aligned as its type wants it")),
        // SAFETY: not NULL, aligned, and the caller's promise.
        (false, count) => Ok(unsafe { std::slice::from_raw_parts(data, count) }),
    }
}

/// The text of (pointer, length), length possibly `AIP_NUL_TERMINATED`, checked to be UTF-8.
///
/// # Safety
/// As for `bytes`; with `AIP_NUL_TERMINATED` the text ends with a NUL.
pub unsafe fn text<'a>(field: impl Display + Copy, data: *const c_char, len: usize) -> Result<&'a str> {
    let bytes = match (data.is_null(), len) {
        (true, AIP_NUL_TERMINATED) => return Err(Error::invalid(field, "is NULL but said to end with a NUL")),
        // SAFETY: not NULL, and the caller's promise.
        (false, AIP_NUL_TERMINATED) => unsafe { CStr::from_ptr(data) }.to_bytes(),
        // SAFETY: the caller's promise.
        _ => unsafe { bytes(field, data.cast(), len) }?,
    };
    std::str::from_utf8(bytes)
        .map_err(|error| Error::invalid(field, format_args!("is not UTF-8 at byte {}", error.valid_up_to())))
}

/// A place for one output.
pub struct Out<'a, T>(&'a mut MaybeUninit<T>);

impl<T> Out<'_, T> {
    pub fn set(self, value: T) {
        self.0.write(value);
    }
}

/// An output pointer, which must not be NULL.
///
/// # Safety
/// Where `place` is not NULL, it is writable for `'a` and nobody else's.
pub unsafe fn out<'a, T>(field: &str, place: *mut T) -> Result<Out<'a, T>> {
    if !place.is_aligned() {
        return Err(Error::invalid(field, "is not aligned as its type wants it"));
    }
    // SAFETY: the caller's promise; nothing is read.
    unsafe { place.cast::<MaybeUninit<T>>().as_mut() }
        .map(Out)
        .ok_or_else(|| Error::invalid(field, "is NULL; pass the address of a variable"))
}

/// A place for borrowed text: a pointer and a length.
pub struct OutText<'a>(Out<'a, *const c_char>, Out<'a, usize>);

impl OutText<'_> {
    /// # Safety
    /// As for `out`, for both.
    pub unsafe fn new(field: &str, text: *mut *const c_char, len: *mut usize) -> Result<Self> {
        // SAFETY: the caller's promise.
        Ok(OutText(unsafe { out(field, text) }?, unsafe { out(&format!("{field}_len"), len) }?))
    }

    /// NULL and 0 where there is none.
    pub fn set(self, text: Option<&[u8]>) {
        self.0.set(text.map_or(std::ptr::null(), start));
        self.1.set(text.map_or(0, <[u8]>::len));
    }
}

/// Where a text begins that is there: also an empty one's address is good to read, for hosts that copy from it.
pub fn start(text: &[u8]) -> *const c_char {
    if text.is_empty() { c"".as_ptr() } else { text.as_ptr().cast() }
}

/// A place for one output handle: NULL until it is set.
pub struct OutHandle<'a, H: Tabled>(&'a mut *mut H);

impl<H: Tabled> OutHandle<'_, H> {
    pub fn set(self, object: impl Into<Arc<H::Object>>) -> Result<()> {
        *self.0 = handle::insert::<H>(object)?;
        Ok(())
    }
}

/// An output pointer for a handle, which must not be NULL; the handle is NULL from here on.
///
/// # Safety
/// As for `out`.
pub unsafe fn out_handle<'a, H: Tabled>(field: &str, place: *mut *mut H) -> Result<OutHandle<'a, H>> {
    // SAFETY: the caller's promise.
    unsafe { out_null(field, place) }.map(OutHandle)
}

/// As `out_handle`, for a handle that has no place in the table.
///
/// # Safety
/// As for `out`.
pub unsafe fn out_null<'a, H>(field: &str, place: *mut *mut H) -> Result<&'a mut *mut H> {
    // SAFETY: the caller's promise.
    unsafe { out(field, place) }.map(|out| out.0.write(std::ptr::null_mut()))
}

/// A C struct that starts with its size and is valid as all zeroes.
///
/// # Safety
/// `repr(C)`, first field `size: usize`, and any bytes are a valid value.
pub unsafe trait SizedStruct: Sized {
    /// Its size in the first release of this ABI, which programs may still have.
    const FIRST_SIZE: usize;
}

/// A copy of a sized struct: NULL is all defaults, an older caller's missing tail is too, a newer one's must be zero.
///
/// # Safety
/// Where `place` is not NULL, as many bytes as its `size` says are readable.
pub unsafe fn sized<T: SizedStruct>(field: &str, init: &str, place: *const T) -> Result<Option<T>> {
    if place.is_null() {
        return Ok(None);
    }
    if !place.is_aligned() {
        return Err(Error::invalid(field, "is not aligned as its type wants it"));
    }
    let mine = size_of::<T>();
    // SAFETY: not NULL, aligned; `size` is the first field by the trait's promise.
    let theirs = unsafe { place.cast::<usize>().read() };
    if theirs < T::FIRST_SIZE || theirs > 4096 {
        return Err(Error::invalid(
            format_args!("{field}.size"),
            format_args!("is {theirs}, not {mine}; call {init}() on the struct first"),
        ));
    }
    // SAFETY: the caller's promise: `theirs` bytes are readable.
    let whole = unsafe { bytes(field, place.cast::<u8>(), theirs) }?;
    if whole.iter().skip(mine).any(|byte| *byte != 0) {
        return Err(Error::new(
            Status::Unsupported,
            format!("{field}: uses fields that this version does not know; load a newer libaipool or leave them 0"),
        ));
    }
    let mut copy = MaybeUninit::<T>::zeroed();
    // SAFETY: both have these bytes, and any bytes are a valid T.
    Ok(Some(unsafe {
        std::ptr::copy_nonoverlapping(whole.as_ptr(), copy.as_mut_ptr().cast(), theirs.min(mine));
        copy.assume_init()
    }))
}

/// Makes a struct all defaults: zeroes, and its size.
///
/// # Safety
/// Where `place` is not NULL, `size` bytes at it are writable.
pub unsafe fn init<T: SizedStruct>(place: *mut T, size: usize) {
    if place.is_null() || size < size_of::<usize>() || size > 4096 {
        return;
    }
    // SAFETY: not NULL, the caller's promise, and `size` holds the first field.
    unsafe {
        place.cast::<u8>().write_bytes(0, size);
        place.cast::<usize>().write(size);
    }
}

/// Copies a growing output struct as far as the caller's `size` goes.
///
/// # Safety
/// Where `place` is not NULL, `size` bytes at it are writable.
pub unsafe fn out_sized<T: Copy>(field: &str, place: *mut T, size: usize, value: T) -> Result<()> {
    if place.is_null() {
        return Err(Error::invalid(field, "is NULL; pass the address of a struct"));
    }
    if size == 0 || size > 4096 {
        return Err(Error::invalid(format_args!("{field}_size"), format_args!("is {size}; pass sizeof of the struct")));
    }
    let known = size.min(size_of::<T>());
    // SAFETY: the caller's promise; a newer caller's tail is zeroed.
    unsafe {
        place.cast::<u8>().write_bytes(0, size);
        std::ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), place.cast::<u8>(), known);
    }
    Ok(())
}

/// Copies bytes out: `needed` always says how many there are; too small a buffer is an error that wrote no bytes.
///
/// # Safety
/// `needed` may be NULL; where `cap` is not 0, `cap` bytes at `buf` are writable.
pub unsafe fn out_bytes(from: &[u8], buf: *mut u8, cap: usize, needed: *mut usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { out_optional(needed, from.len()) };
    if from.is_empty() {
        return Ok(());
    }
    if cap < from.len() {
        return Err(Error::invalid("cap", format_args!("is {cap}; {} bytes are needed", from.len())));
    }
    if buf.is_null() {
        return Err(Error::invalid("buf", "is NULL but cap is not 0"));
    }
    // SAFETY: `buf` holds `cap >= from.len()` bytes of the caller's, apart from the library's own.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), buf, from.len()) };
    Ok(())
}

/// As `out_bytes`, for floats.
///
/// # Safety
/// As for `out_bytes`; `buf` is aligned.
pub unsafe fn out_floats(from: &[f32], buf: *mut f32, cap: usize, needed: *mut usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { out_optional(needed, from.len()) };
    if cap < from.len() {
        return Err(Error::invalid("cap", format_args!("is {cap}; {} floats are needed", from.len())));
    }
    if from.is_empty() {
        return Ok(());
    }
    if buf.is_null() || !buf.is_aligned() {
        return Err(Error::invalid("buf", "is NULL or not aligned, but cap is not 0"));
    }
    // SAFETY: `buf` holds `cap >= from.len()` floats of the caller's, apart from the library's own.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), buf, from.len()) };
    Ok(())
}

/// A caller's buffer, to be written to.
///
/// # Safety
/// Where `buf` is not NULL, `cap` bytes at it are writable for `'a` and nobody else's.
pub unsafe fn room<'a>(field: &str, buf: *mut u8, cap: usize) -> Result<&'a mut [u8]> {
    if buf.is_null() && cap > 0 {
        return Err(Error::invalid(field, "is NULL but cap is not 0"));
    }
    if buf.is_null() {
        return Ok(&mut []);
    }
    // Bytes that nobody wrote yet are only ever written to here.
    // SAFETY: not NULL, and the caller's promise; any bits are a `u8`.
    Ok(unsafe { std::slice::from_raw_parts_mut(buf, cap.min(isize::MAX as usize)) })
}

/// A time limit in milliseconds: 0 leaves the default, `AIP_OFF` and `AIP_UNLIMITED` mean none.
pub fn time_limit(field: &str, millis: i64) -> Result<Option<TimeLimit>> {
    match millis {
        0 => Ok(None),
        AIP_OFF | AIP_UNLIMITED => Ok(Some(None)),
        1.. if millis.unsigned_abs() <= LONGEST_LIMIT.as_millis() as u64 => {
            Ok(Some(Some(Duration::from_millis(millis.unsigned_abs()))))
        }
        _ => Err(out_of_range(field, millis, "1 to 2592000000 (30 days)")),
    }
}

/// A bound in bytes: 0 leaves the default, `AIP_UNLIMITED` and `AIP_OFF` mean none.
pub fn byte_limit(field: &str, bytes: i64) -> Result<Option<Option<u64>>> {
    match bytes {
        0 => Ok(None),
        AIP_OFF | AIP_UNLIMITED => Ok(Some(None)),
        1.. => Ok(Some(Some(bytes.unsigned_abs()))),
        _ => Err(out_of_range(field, bytes, "1 or more")),
    }
}

/// The limits that pools, sessions and requests have in common, from `$options`, whose fields bear the same names.
macro_rules! limits {
    ($options:expr) => {{
        let options = $options;
        LimitOverrides {
            total: args::time_limit("timeout_ms", options.timeout_ms)?,
            queue: args::time_limit("queue_timeout_ms", options.queue_timeout_ms)?,
            dns: args::time_limit("dns_timeout_ms", options.dns_timeout_ms)?,
            connect: args::time_limit("connect_timeout_ms", options.connect_timeout_ms)?,
            tls: args::time_limit("tls_timeout_ms", options.tls_timeout_ms)?,
            send: args::time_limit("send_timeout_ms", options.send_timeout_ms)?,
            first_byte: args::time_limit("first_byte_timeout_ms", options.first_byte_timeout_ms)?,
            between_bytes: args::time_limit("between_bytes_timeout_ms", options.between_bytes_timeout_ms)?,
            first_event: args::time_limit("first_event_timeout_ms", options.first_event_timeout_ms)?,
            between_events: args::time_limit("between_events_timeout_ms", options.between_events_timeout_ms)?,
            body: args::byte_limit("max_body_bytes", options.max_body_bytes)?,
        }
    }};
}
pub(super) use limits;

/// How often: 0 and `AIP_OFF` are never, as far as this level says it.
pub fn times(field: &str, number: i64, most: u32) -> Result<Option<u32>> {
    match number {
        0 => Ok(None),
        AIP_OFF => Ok(Some(0)),
        1.. if number <= i64::from(most) => Ok(Some(number.unsigned_abs() as u32)),
        _ => Err(Error::invalid(
            field,
            format_args!("is {number}; use 1 to {most}, AIP_OFF for never, or 0 for the default"),
        )),
    }
}

/// How many at the most: 0 leaves the default, `AIP_UNLIMITED` and `AIP_OFF` mean no bound.
pub fn count(field: &str, number: i64, default: usize, most: usize) -> Result<usize> {
    match number {
        0 => Ok(default),
        AIP_OFF | AIP_UNLIMITED => Ok(usize::MAX),
        1.. if number <= most as i64 => Ok(number.unsigned_abs() as usize),
        _ => Err(out_of_range(field, number, &format!("1 to {most}"))),
    }
}

/// A literal number within its range.
pub fn within(field: &str, number: u64, least: u64, most: u64) -> Result<u64> {
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(Error::invalid(field, format_args!("is {number}; use {least} to {most}")))
}

/// One of a few named numbers.
pub fn choice<T: Clone>(field: &str, number: u32, choices: &[(u32, T)], names: &str) -> Result<T> {
    let chosen = choices.iter().find(|(name, _)| *name == number).map(|(_, choice)| choice.clone());
    chosen.ok_or_else(|| Error::invalid(field, format_args!("is {number}; use {names}")))
}

/// Writes an output that the caller may not want.
///
/// # Safety
/// Where `place` is not NULL, it is writable.
pub unsafe fn out_optional<T>(place: *mut T, value: T) {
    if !place.is_null() && place.is_aligned() {
        // SAFETY: not NULL, aligned, and the caller's promise.
        unsafe { place.write(value) };
    }
}

pub fn out_of_range(field: &str, value: i64, range: &str) -> Error {
    Error::invalid(field, format_args!("is {value}; use {range}, AIP_OFF, AIP_UNLIMITED, or 0 for the default"))
}

/// Flags of which every bit is known.
pub fn flags(field: &str, bits: u32, known: u32) -> Result<u32> {
    match bits & !known {
        0 => Ok(bits),
        unknown => Err(Error::new(
            Status::Unsupported,
            format!("{field}: bits 0x{unknown:x} are unknown to this version; leave them 0"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Options that have grown by `newer` since their first release.
    #[repr(C)]
    struct Grown {
        size: usize,
        first: u64,
        newer: u64,
    }

    // SAFETY: repr(C), `size` first, integers only.
    unsafe impl SizedStruct for Grown {
        const FIRST_SIZE: usize = 16;
    }

    fn read(words: &[u64]) -> Result<(u64, u64)> {
        // SAFETY: as many bytes are there as the first word says, or the call ends before it looks.
        let grown = unsafe { sized("options", "init", words.as_ptr().cast::<Grown>()) };
        grown.map(|grown| grown.map_or((0, 0), |grown| (grown.first, grown.newer)))
    }

    #[test]
    fn a_program_of_the_first_release_leaves_newer_fields_at_their_defaults() {
        assert_eq!(read(&[16, 7, 666]).unwrap(), (7, 0));
        assert_eq!(read(&[24, 7, 8]).unwrap(), (7, 8));
    }

    #[test]
    fn a_newer_program_may_use_only_what_is_known() {
        assert_eq!(read(&[32, 7, 8, 0]).unwrap(), (7, 8));
        assert_eq!(read(&[32, 7, 8, 1]).unwrap_err().status, Status::Unsupported);
    }

    #[test]
    fn a_struct_without_its_size_is_refused() {
        for size in [0, 8, 15, 4097, u64::MAX] {
            let error = read(&[size, 7, 8]).unwrap_err();
            assert!(
                error.message.starts_with("options.size: is ") && error.message.contains("call init()"),
                "{error:?}"
            );
        }
    }
}
