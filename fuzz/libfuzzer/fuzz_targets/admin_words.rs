#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tamis_fuzz::targets::admin_words(data));
