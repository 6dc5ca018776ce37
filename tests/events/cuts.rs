//! Bodies cut anywhere, by chance that a seed repeats: shared by tests and fuzz targets.

/// A small generator of numbers (xorshift); the same seed, the same numbers.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}

/// A body in pieces of chance.
pub fn cut<'a>(mut body: &'a [u8], random: &mut Random) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !body.is_empty() {
        let (piece, rest) = body.split_at(random.below(12).min(body.len()));
        pieces.push(piece);
        body = rest;
    }
    pieces
}
