#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tamis_fuzz::targets::packet_there_and_back(data));
