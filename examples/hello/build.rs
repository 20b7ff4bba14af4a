fn main() {
    steeple_build::run();
}
