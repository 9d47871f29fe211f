//! How much locked memory a secret takes.

use keyward::secrets::memory::Pool;

/// Prints the table of the pool.
pub fn measure() {
    println!("| locked memory | |\n|---|---|");
    let pool = Pool::reserve();
    let range = pool.address_range();
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    let page = u64::try_from(page.unwrap().unwrap()).unwrap();
    let pages = (range.end - range.start) / page;
    let mut held = Vec::new();
    for bytes in [51, 64, 65, 164] {
        held.push(pool.try_store(&vec![b'k'; bytes]).unwrap());
        let taken = pool.used_bytes();
        println!("| a key of {bytes} bytes takes | {taken} bytes |");
        held.clear();
    }
    while let Ok(buffer) = pool.try_store(&[b'k'; 64]) {
        held.push(buffer);
    }
    let keys = held.len();
    println!("| keys of 64 bytes that {pages} pages of {page} bytes hold | {keys} |");
    let one = f64::from(u32::try_from(pages).unwrap()) / f64::from(u32::try_from(keys).unwrap());
    println!("| pages for one of them | {one:.4} |");
}
