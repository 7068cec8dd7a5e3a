//! Pages that travel inside an address: `data:text/html` (RFC 2397).

use crate::content::base64::Base64;
use crate::parameters::unpercent;

/// Bytes of one carried page that are read.
pub const CARRIED_BYTES_MAX: usize = 64 * 1024;

/// Carried pages of one page that are read.
pub const PAGES_MAX: usize = 4;

/// Bytes before the comma looked at for type and encoding.
const PARAMETERS_BYTES_MAX: usize = 128;

/// The page that an address carries, if it carries one.
pub(super) fn page(target: &str) -> Option<String> {
    let target = target.trim_start();
    let scheme = target.get(..5)?;
    if !scheme.eq_ignore_ascii_case("data:") {
        return None;
    }
    let rest = &target[5..];
    let comma = rest.bytes().take(PARAMETERS_BYTES_MAX).position(|byte| byte == b',')?;
    let parameters: String = rest[..comma].split_whitespace().collect();
    let parameters = parameters.to_ascii_lowercase();
    let is_page = ["text/html", "application/xhtml"];
    if !is_page.iter().any(|kind| parameters.starts_with(kind)) {
        return None;
    }
    let data = &rest.as_bytes()[comma + 1..];
    let data = unpercent(&data[..data.len().min(2 * CARRIED_BYTES_MAX)]);
    let mut content = data;
    if parameters.ends_with(";base64") {
        let mut plain = Vec::new();
        let mut decoder = Base64::default();
        decoder.push(&content, &mut |bytes| plain.extend_from_slice(bytes));
        decoder.finish(&mut |bytes| plain.extend_from_slice(bytes));
        content = plain;
    }
    content.truncate(CARRIED_BYTES_MAX);
    Some(String::from_utf8_lossy(&content).into_owned())
}
