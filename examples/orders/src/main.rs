//! The order service's program.

fn main() {
    println!("orders");
}
