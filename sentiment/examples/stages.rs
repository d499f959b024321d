//! How the time of a layer divides into stages, and how close each stage is to the peak speed of the processor.
//!
//!     cargo run --release -p tapewire-sentiment --example stages
//!     ... -- --precision bf16 --rounds 20
//!
//! Twelve layers of a BERT of base size, with made-up weights, process a chunk of texts as the engine does, on one
//! thread. Each stage is timed within the whole, so caches are as full as in real use. The operations of each stage are
//! compared with the peak: the operations of the same instruction on registers alone. The line before the table
//! shows a tile whose operands are in the cache already, which is an upper bound for products.

use clap::Parser;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tapewire_kernels::aligned::AlignedBuf;
use tapewire_kernels::attention::{Attention, Projections};
use tapewire_kernels::dot::{self, LhsRows, PANEL};
use tapewire_kernels::linear::{Epilogue, Linear};
use tapewire_kernels::math::Activation;
use tapewire_kernels::matrix::MatrixMut;
use tapewire_kernels::operand::Operand;
use tapewire_kernels::rows::layer_norm;
use tapewire_sentiment::Precision;

const LAYERS: usize = 12;
const WIDTH: usize = 768;
const INNER: usize = 3072;
const HEADS: usize = 12;

/// Tokens of the texts of a chunk: headlines, descriptions and a report.
const TEXTS: [usize; 11] = [24, 24, 24, 24, 24, 24, 24, 24, 80, 80, 160];

/// Rows that pass from product to product together: `BLOCK_ROWS` of `engine/forward.rs`.
const BLOCK: usize = 144;

/// Measures the stages of a layer.
#[derive(Parser)]
struct Arguments {
    /// f32, bf16, bf16-vectors, int8 or int8-wide.
    #[arg(long, default_value = "int8")]
    precision: Precision,
    /// Number of passes through all layers.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
}

fn main() {
    let Arguments { precision, rounds } = Arguments::parse();
    let peak = dot::peak(precision);
    let layers: Vec<Layer> = (0..LAYERS).map(|_| Layer::new(precision)).collect();
    let mut chunk = Chunk::new(precision);
    let mut stages = Stages::default();
    for round in 0..=rounds {
        if round == 1 {
            // The first round touches memory for the first time.
            stages = Stages::default();
        }
        layers.iter().for_each(|layer| chunk.pass(layer, &mut stages));
    }
    println!("{precision} with {}: {:.0} GOP/s at most", dot::kernel(precision).name, peak / 1e9);
    println!("a tile on cached data: {:.1}% of that\n", 100.0 * tile(precision) / peak);
    stages.print(peak);
}

/// Operations per second of the tallest tile, repeated on the same operands.
fn tile(precision: Precision) -> f64 {
    let kernel = dot::kernel(precision);
    let words = (WIDTH / precision.elements_per_word()).min(kernel.panel_depth);
    let (left, panel) = (AlignedBuf::zeroed(kernel.max_rows * words), AlignedBuf::zeroed(PANEL * words));
    let (left, panel) = (left.as_slice(), &panel.as_slice()[..PANEL * words]);
    let (start, mut out) = ([0; PANEL], vec![0; kernel.max_rows * PANEL]);
    let times = 20_000;
    let started = Instant::now();
    for _ in 0..times {
        let left = LhsRows { words: black_box(left), stride: words, rows: kernel.max_rows };
        kernel.run(left, panel, 2, Some(&start), &mut out, PANEL, &[]);
    }
    (times * 2 * kernel.max_rows * PANEL * words * precision.elements_per_word()) as f64
        / started.elapsed().as_secs_f64()
}

/// The products of one layer.
struct Layer {
    query: Linear,
    key_value: Linear,
    attention_output: Linear,
    into: Linear,
    out: Linear,
}

impl Layer {
    fn new(precision: Precision) -> Self {
        let linear = |inputs: usize, outputs: usize| {
            let weights: Vec<f32> = elements(inputs * outputs).map(|x| x / (inputs as f32).sqrt()).collect();
            Linear::pack(precision, inputs, &weights, &vec![0.01; outputs])
        };
        Self {
            query: linear(WIDTH, WIDTH),
            key_value: linear(WIDTH, 2 * WIDTH),
            attention_output: linear(WIDTH, WIDTH),
            into: linear(WIDTH, INNER),
            out: linear(INNER, WIDTH),
        }
    }
}

/// Elements in [-1, 1), evenly distributed and in no order.
fn elements(count: usize) -> impl Iterator<Item = f32> {
    (0..count as u32).map(|i| i.wrapping_mul(0x9e37_79b9) as f32 / (1u32 << 31) as f32 - 1.0)
}

/// The texts and the working memory of a layer.
struct Chunk {
    precision: Precision,
    hidden: Vec<f32>,
    context: Vec<f32>,
    inner: Vec<f32>,
    operand: Operand,
    inner_operand: Operand,
    projections: Projections,
    attention: Attention,
}

impl Chunk {
    fn new(precision: Precision) -> Self {
        let tokens = TEXTS.iter().sum::<usize>();
        let [operand, inner_operand] = Default::default();
        Self {
            precision,
            hidden: elements(tokens * WIDTH).collect(),
            context: vec![0.0; tokens * WIDTH],
            inner: vec![0.0; BLOCK * INNER],
            operand,
            inner_operand,
            projections: Projections::default(),
            attention: Attention::new(precision, HEADS, WIDTH / HEADS),
        }
    }

    /// The same as `forward_layer` of `engine/forward.rs`.
    fn pass(&mut self, layer: &Layer, stages: &mut Stages) {
        let Self { precision, hidden, context, inner, operand, inner_operand, projections, attention } = self;
        let (weight, bias) = ([0.5; WIDTH], [0.0; WIDTH]);
        let Projections { queries, keys, values } = projections;
        for rows in [&mut *queries, keys, values] {
            rows.clear(attention.precision(), WIDTH);
        }
        for hidden in hidden.chunks(BLOCK * WIDTH) {
            let rows = hidden.len() / WIDTH;
            stages.time("rounding", 0, || operand.set(*precision, hidden, WIDTH, WIDTH));
            let projected = &mut inner[..hidden.len()];
            stages.time("products", rows * WIDTH * WIDTH, || {
                layer.query.apply(operand, Epilogue::Store, projected, WIDTH, 1)
            });
            stages.time("attention: rounding", 0, || queries.extend(projected, WIDTH));
            let projected = &mut inner[..2 * hidden.len()];
            let product = || layer.key_value.apply(operand, Epilogue::Store, projected, 2 * WIDTH, 1);
            stages.time("products", rows * WIDTH * 2 * WIDTH, product);
            stages.time("attention: rounding", 0, || {
                keys.extend(projected, 2 * WIDTH);
                values.extend(&projected[WIDTH..], 2 * WIDTH);
            });
        }
        let mut first = 0;
        for tokens in TEXTS {
            let (text, out) = (first..first + tokens, &mut context[first * WIDTH..(first + tokens) * WIDTH]);
            let out = MatrixMut::new(out, WIDTH, WIDTH);
            let attend = || attention.attend(projections, text.clone(), text.clone(), tokens, 0..HEADS, out);
            stages.time("attention", 2 * tokens * tokens * WIDTH, attend);
            first += tokens;
        }
        for (hidden, context) in hidden.chunks_mut(BLOCK * WIDTH).zip(context.chunks(BLOCK * WIDTH)) {
            let rows = hidden.len() / WIDTH;
            let inner = &mut inner[..rows * INNER];
            stages.time("rounding", 0, || operand.set(*precision, context, WIDTH, WIDTH));
            let product = || layer.attention_output.apply(operand, Epilogue::Add, hidden, WIDTH, 1);
            stages.time("products, then adding", rows * WIDTH * WIDTH, product);
            stages.time("layer norm", 0, || layer_norm(hidden, WIDTH, &weight, &bias, 1e-12));
            stages.time("rounding", 0, || operand.set(*precision, hidden, WIDTH, WIDTH));
            let product = || layer.into.apply(operand, Epilogue::Activate(Activation::Gelu), inner, INNER, 1);
            stages.time("products, then GELU", rows * WIDTH * INNER, product);
            stages.time("rounding", 0, || inner_operand.set(*precision, inner, INNER, INNER));
            let product = || layer.out.apply(inner_operand, Epilogue::Add, hidden, WIDTH, 1);
            stages.time("products, then adding", rows * WIDTH * INNER, product);
            stages.time("layer norm", 0, || layer_norm(hidden, WIDTH, &weight, &bias, 1e-12));
        }
    }
}

/// Time and operations of each stage, in the order of their first use.
#[derive(Default)]
struct Stages(Vec<(&'static str, Duration, u64)>);

impl Stages {
    /// Times a stage that multiplies and adds `products` times.
    fn time(&mut self, name: &'static str, products: usize, stage: impl FnOnce()) {
        let started = Instant::now();
        stage();
        let taken = started.elapsed();
        let at = self.0.iter().position(|one| one.0 == name).unwrap_or_else(|| {
            self.0.push((name, Duration::ZERO, 0));
            self.0.len() - 1
        });
        self.0[at].1 += taken;
        self.0[at].2 += 2 * products as u64;
    }

    fn print(&self, peak: f64) {
        let line = |name: &str, taken: Duration, operations: u64, share: f64| {
            let speed = operations as f64 / taken.as_secs_f64();
            println!("{name:22}  {:6.1}%  {:7.0}  {:6.1}%", 100.0 * share, speed / 1e9, 100.0 * speed / peak);
        };
        println!("stage                  of time  GOP/s    of peak");
        let whole = self.0.iter().map(|one| one.1).sum::<Duration>();
        for &(name, taken, operations) in &self.0 {
            line(name, taken, operations, taken.as_secs_f64() / whole.as_secs_f64());
        }
        line("all", whole, self.0.iter().map(|one| one.2).sum(), 1.0);
    }
}
