// Convolutions of small images with 3×3 and smaller kernels, and batch normalisation, in float32 on x86-64.
//
// All images lie as N×H×W×C ("channels last") and all weights as K×R×S×C; C and K are multiples of 16. The vectors' width
// follows from the compiler's flags: 16 floats with AVX-512, else 8 (AVX2 with FMA).
//
// 3×3 kernels that move by one pixel go by Winograd's minimal filtering (A. Lavin and S. Gray, "Fast Algorithms for
// Convolutional Neural Networks", CVPR 2016, doi:10.1109/CVPR.2016.435), which reaches an output tile of 4×4 pixels with
// 36 products in place of 144, or one of 2×2 with 16 in place of 36. All others are matrix products of rows gathered from
// the images.
//
// The same input gives the same bytes on every call with the same number of threads: which thread computes what is fixed,
// and none adds to what another one computes.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <sys/mman.h>

#ifdef __AVX512F__
constexpr int LANES = 16, ROWS = 14, TRANSPOSED_ROWS = 8;
#else
constexpr int LANES = 8, ROWS = 6, TRANSPOSED_ROWS = 6;
#endif
// A block of a matrix product is held in registers: ROWS × 2 vectors of sums, beside 2 vectors of the right factor.
constexpr long PANEL = 16;         // channels that lie side by side in a packed left factor, and in a transposed product
constexpr long WIDTH = 2 * LANES;  // columns of a packed right factor
constexpr long LINE = 16;          // floats of a cache line; as an offset it keeps strides from being powers of two
constexpr long CACHE = 1 << 18;    // floats that a thread may keep in its part of the cache: 1 MiB
constexpr size_t HUGE_PAGE = 1 << 21;

#define INLINE inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef float Vector __attribute__((vector_size(LANES * sizeof(float))));
typedef float UnalignedVector __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

static INLINE Vector load(const float* p) { return *(const UnalignedVector*)p; }
static INLINE void store(float* p, Vector x) { *(UnalignedVector*)p = x; }

static long parts(long whole, long part) { return (whole + part - 1) / part; }

// Memory between the passes of one call. Each thread that calls has one, which grows to what its largest layer needs.
class Workspace {
    void* memory = nullptr;
    size_t size = 0;

public:
    ~Workspace() { free(memory); }
    float* of(size_t floats) {
        size_t wanted = parts(floats * sizeof(float), HUGE_PAGE) * HUGE_PAGE;
        if (wanted > size) {
            free(memory);
            memory = aligned_alloc(HUGE_PAGE, wanted);
            size = memory ? wanted : 0;
            if (memory) madvise(memory, size, MADV_HUGEPAGE);
        }
        return (float*)memory;
    }
    void release() { free(memory); memory = nullptr; size = 0; }
};
static thread_local Workspace workspace;

// ------------------------------------------------------------------------------------------------- matrix products

// C[R][V vectors] = A[R][inner] · B[inner][V vectors], A in panels of 16 columns, `panel` floats apart.
template <int V, int R>
static void product(const float* a, long panel, const float* b, long inner, float* c, long row) {
    Vector sum[R][V] = {};
    for (long k0 = 0; k0 < inner; k0 += PANEL, a += panel)
        for (int k = 0; k < PANEL; k++, b += V * LANES) {
            Vector right[V];
            for (int v = 0; v < V; v++) {
                right[v] = load(b + v * LANES);
                asm("" : "+v"(right[v]));  // into a register: left to itself, the compiler loads it anew for every row
            }
            UNROLL for (int r = 0; r < R; r++)
                for (int v = 0; v < V; v++) sum[r][v] += a[r * PANEL + k] * right[v];
        }
    UNROLL for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) store(c + r * row + v * LANES, sum[r][v]);
}

// C[R][V vectors] (+)= Aᵀ · B: row t of A is at a + t·a_row, vector v of row t of B at b + v·b_vector + 16 t.
template <int V, int R>
static void transposed_product(const float* a, long a_row, const float* b, long b_vector, long inner, float* c,
                               long row, bool add) {
    Vector sum[R][V] = {};
    if (add) UNROLL for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) sum[r][v] = load(c + r * row + v * LANES);
    for (long t = 0; t < inner; t++, a += a_row, b += PANEL) {
        Vector right[V];
        for (int v = 0; v < V; v++) {
            right[v] = load(b + v * b_vector);
            asm("" : "+v"(right[v]));
        }
        UNROLL for (int r = 0; r < R; r++)
            for (int v = 0; v < V; v++) sum[r][v] += a[r] * right[v];
    }
    UNROLL for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) store(c + r * row + v * LANES, sum[r][v]);
}

using Product = void (*)(const float*, long, const float*, long, float*, long);
using TransposedProduct = void (*)(const float*, long, const float*, long, long, float*, long, bool);
template <int V, int... R> constexpr std::array<Product, sizeof...(R)> products(std::integer_sequence<int, R...>) {
    return {product<V, R + 1>...};
}
template <int V, int... R>
constexpr std::array<TransposedProduct, sizeof...(R)> transposed_products(std::integer_sequence<int, R...>) {
    return {transposed_product<V, R + 1>...};
}
// [vectors - 1][rows - 1]
constexpr std::array<Product, ROWS> PRODUCTS[2] = {products<1>(std::make_integer_sequence<int, ROWS>()),
                                                   products<2>(std::make_integer_sequence<int, ROWS>())};
constexpr std::array<TransposedProduct, TRANSPOSED_ROWS> TRANSPOSED_PRODUCTS[2] = {
    transposed_products<1>(std::make_integer_sequence<int, TRANSPOSED_ROWS>()),
    transposed_products<2>(std::make_integer_sequence<int, TRANSPOSED_ROWS>())};

// Columns of panel p of a packed matrix of so many columns: the last one may be half as wide.
static long panel_width(long p, long columns) { return std::min(WIDTH, columns - p * WIDTH); }

// C[rows][width] = A · B for one panel of B; the blocks of rows are as even as can be. Meanwhile the panel behind it is
// fetched, which comes next.
static void multiply(long rows, long inner, long width, const float* a, long panel, const float* b, float* c, long row) {
    long blocks = parts(rows, ROWS);
    for (long i = 0; i < blocks; i++) {
        const long first = rows * i / blocks, count = rows * (i + 1) / blocks - first, piece = inner * width / blocks;
        for (long l = 0; l < piece; l += LINE) __builtin_prefetch(b + inner * width + i * piece + l);
        PRODUCTS[width / LANES - 1][count - 1](a + first * PANEL, panel, b, inner, c + first * row, row);
    }
}

// C[16][width] (+)= Aᵀ · B, B in panels of 16 columns, `panel` floats apart.
static void multiply_transposed(long inner, long width, const float* a, long a_row, const float* b, long panel, float* c,
                                long row, bool add) {
    constexpr long BLOCKS = (PANEL + TRANSPOSED_ROWS - 1) / TRANSPOSED_ROWS;
    for (long i = 0; i < BLOCKS; i++) {
        long first = PANEL * i / BLOCKS, count = PANEL * (i + 1) / BLOCKS - first;
        TRANSPOSED_PRODUCTS[width / LANES - 1][count - 1](a + first, a_row, b, LANES == PANEL ? panel : LANES, inner,
                                                          c + first * row, row, add);
    }
}

// Rows become columns: a perfect shuffle, log2(LANES) times (H. Stone, 1971, doi:10.1109/T-C.1971.223205).
static INLINE void transpose(Vector (&m)[LANES]) {
    for (int step = 1; step < LANES; step *= 2) {
        Vector shuffled[LANES];
        for (int i = 0; i < LANES / 2; i++) {
            Vector a = m[i], b = m[i + LANES / 2];
#if defined(__AVX512F__)
            shuffled[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            shuffled[2 * i + 1] =
                __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#else
            shuffled[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
            shuffled[2 * i + 1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#endif
        }
        for (int i = 0; i < LANES; i++) m[i] = shuffled[i];
    }
}

// -------------------------------------------------------------------------------------------------------- Winograd
//
// A one-dimensional convolution of a tile d of M + 2 values with a kernel g of 3, y_i = Σ_j d_{i+j} g_j, is
// y = Aᵀ ((G g) ⊙ (Bᵀ d)): the kernel's polynomial and the tile's are evaluated at M + 1 points and at infinity,
// multiplied there, and interpolated (Lavin and Gray, section 4). In two dimensions each transform acts on columns and
// rows. Its gradients use the transposed transforms: that with respect to the kernel is Gᵀ ((A y') ⊙ (Bᵀ d)); that with
// respect to the image is a convolution again, with the kernel turned by 180° and inputs and outputs exchanged.
//
// With M = 4 the points are 0, ±a and ±b. Powers of the points up to the third enter, so rounding errors grow with
// their range: a = 5/8, b = 3/2 has about half the error of the usual 1 and 2, and exact constants in float32.
template <int M> struct Winograd;

template <> struct Winograd<4> {
    static constexpr float a = 0.625f, b = 1.5f, a2 = a * a, b2 = b * b, a3 = a2 * a, b3 = b2 * b;
    static constexpr float g0 = 1 / (a2 * b2), ga = 1 / (2 * a2 * (a2 - b2)), gb = 1 / (2 * b2 * (b2 - a2));

    static INLINE void image(const Vector (&d)[6], Vector (&v)[6]) {  // Bᵀ
        Vector even_a = d[4] - b2 * d[2], odd_a = a * (d[3] - b2 * d[1]);
        Vector even_b = d[4] - a2 * d[2], odd_b = b * (d[3] - a2 * d[1]);
        v[0] = a2 * b2 * d[0] + (d[4] - (a2 + b2) * d[2]);
        v[1] = even_a + odd_a;
        v[2] = even_a - odd_a;
        v[3] = even_b + odd_b;
        v[4] = even_b - odd_b;
        v[5] = a2 * b2 * d[1] + (d[5] - (a2 + b2) * d[3]);
    }
    static INLINE void kernel(const Vector (&w)[3], Vector (&u)[6]) {  // G
        Vector even_a = ga * (w[0] + a2 * w[2]), odd_a = (ga * a) * w[1];
        Vector even_b = gb * (w[0] + b2 * w[2]), odd_b = (gb * b) * w[1];
        u[0] = g0 * w[0];
        u[1] = even_a + odd_a;
        u[2] = even_a - odd_a;
        u[3] = even_b + odd_b;
        u[4] = even_b - odd_b;
        u[5] = w[2];
    }
    static INLINE void output(const Vector (&m)[6], Vector (&y)[4]) {  // Aᵀ
        Vector sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
        y[0] = m[0] + (sum_a + sum_b);
        y[1] = a * difference_a + b * difference_b;
        y[2] = a2 * sum_a + b2 * sum_b;
        y[3] = a3 * difference_a + (b3 * difference_b + m[5]);
    }
    static INLINE void output_gradient(const Vector (&y)[4], Vector (&z)[6]) {  // A
        Vector even_a = y[0] + a2 * y[2], odd_a = a * y[1] + a3 * y[3];
        Vector even_b = y[0] + b2 * y[2], odd_b = b * y[1] + b3 * y[3];
        z[0] = y[0];
        z[1] = even_a + odd_a;
        z[2] = even_a - odd_a;
        z[3] = even_b + odd_b;
        z[4] = even_b - odd_b;
        z[5] = y[3];
    }
    static INLINE void kernel_gradient(const Vector (&u)[6], Vector (&w)[3]) {  // Gᵀ
        Vector sum_a = ga * (u[1] + u[2]), difference_a = (ga * a) * (u[1] - u[2]);
        Vector sum_b = gb * (u[3] + u[4]), difference_b = (gb * b) * (u[3] - u[4]);
        w[0] = g0 * u[0] + (sum_a + sum_b);
        w[1] = difference_a + difference_b;
        w[2] = a2 * sum_a + (b2 * sum_b + u[5]);
    }
};

template <> struct Winograd<2> {  // points 0, ±1
    static INLINE void image(const Vector (&d)[4], Vector (&v)[4]) {
        v[0] = d[0] - d[2];
        v[1] = d[1] + d[2];
        v[2] = d[2] - d[1];
        v[3] = d[3] - d[1];
    }
    static INLINE void kernel(const Vector (&w)[3], Vector (&u)[4]) {
        Vector even = 0.5f * (w[0] + w[2]), odd = 0.5f * w[1];
        u[0] = w[0];
        u[1] = even + odd;
        u[2] = even - odd;
        u[3] = w[2];
    }
    static INLINE void output(const Vector (&m)[4], Vector (&y)[2]) {
        y[0] = m[0] + (m[1] + m[2]);
        y[1] = m[1] - m[2] + m[3];
    }
    static INLINE void output_gradient(const Vector (&y)[2], Vector (&z)[4]) {
        z[0] = y[0];
        z[1] = y[0] + y[1];
        z[2] = y[0] - y[1];
        z[3] = y[1];
    }
    static INLINE void kernel_gradient(const Vector (&u)[4], Vector (&w)[3]) {
        Vector even = 0.5f * (u[1] + u[2]), odd = 0.5f * (u[1] - u[2]);
        w[0] = u[0] + even;
        w[1] = odd;
        w[2] = even + u[3];
    }
};

// A one-dimensional transform from FROM to TO values on the columns of a square, then on its rows.
template <int FROM, int TO, class Transform, class Load, class Store>
static INLINE void both_ways(Transform transform, Load at, Store put) {
    Vector half[TO][FROM];
    UNROLL for (int s = 0; s < FROM; s++) {
        Vector column[FROM], changed[TO];
        UNROLL for (int r = 0; r < FROM; r++) column[r] = at(r, s);
        transform(column, changed);
        UNROLL for (int r = 0; r < TO; r++) half[r][s] = changed[r];
    }
    UNROLL for (int r = 0; r < TO; r++) {
        Vector changed[TO];
        transform(half[r], changed);
        UNROLL for (int s = 0; s < TO; s++) put(r, s, changed[s]);
    }
}
// Transforms are templates' static functions; as a lambda each one is inlined.
#define TRANSFORM(name) [](const auto& from, auto& to) __attribute__((always_inline)) { Winograd<M>::name(from, to); }

// One convolution, as its caller describes it.
struct Layer {
    int64_t images, height, width, channels_in, channels_out;
    int64_t kernel_height, kernel_width, stride_height, stride_width, padding_height, padding_width;
    int64_t height_out, width_out;
};

// Where the tiles of images lie: tile t covers M×M pixels of the convolution's output.
struct Tiles {
    long images, rows, columns;
    long count() const { return images * rows * columns; }
};
struct Plane {  // images N×H×W×C
    long height, width, channels;
};

// The places of a square of pixels of image n; those outside of it are at `outside`.
template <int SIDE, class Pointer>
static INLINE void square(Pointer images, const Plane& p, long n, long top, long left, Pointer outside,
                          Pointer (&places)[SIDE][SIDE]) {
    Pointer row = images + ((n * p.height + top) * p.width + left) * p.channels;
    UNROLL for (int r = 0; r < SIDE; r++, row += p.width * p.channels) {
        const bool row_inside = (unsigned long)(top + r) < (unsigned long)p.height;
        Pointer place = row;
        UNROLL for (int s = 0; s < SIDE; s++, place += p.channels)
            places[r][s] = row_inside & ((unsigned long)(left + s) < (unsigned long)p.width) ? place : outside;
    }
}

// The transform of so many channels of tiles [first, first + count): element e of tile t at
// to + e·element + (c / 16)·16·count + 16 t + c % 16, all from channel `channel` on.
template <int SIDE, int N, class Transform>
static INLINE void transform_tiles(Transform transform, const float* images, const Plane& plane, const Tiles& tiles,
                                   int step, long padding, long channel, long channels, long first, long count,
                                   const float* zeros, float* to, long element) {
    for (long t = 0; t < count; t++) {
        long tile = first + t, column = tile % tiles.columns, row = tile / tiles.columns % tiles.rows;
        const float* places[SIDE][SIDE];
        square<SIDE>(images + channel, plane, tile / tiles.columns / tiles.rows, row * step - padding,
                     column * step - padding, zeros, places);
        for (long c = 0; c < channels; c += LANES) {
            float* target = to + c / PANEL * PANEL * count + t * PANEL + c % PANEL;
            both_ways<SIDE, N>(transform, [&](int r, int s) { return load(places[r][s] + c); },
                               [&](int r, int s, Vector v) { store(target + (r * N + s) * element, v); });
        }
    }
}

// Back from products to pixels of the output: channels [channel, channel + channels), as `multiply` left them in panels.
template <int M>
static INLINE void output_tiles(const float* products, long element, float* images, const Plane& plane,
                                const Tiles& tiles, long channel, long channels, long first, long count, float* unused) {
    constexpr int N = M + 2;
    for (long t = 0; t < count; t++) {
        long tile = first + t, column = tile % tiles.columns, row = tile / tiles.columns % tiles.rows;
        float* places[M][M];
        square<M>(images + channel, plane, tile / tiles.columns / tiles.rows, row * M, column * M, unused, places);
        for (long c = 0; c < channels; c += LANES) {
            long p = c / WIDTH;
            const float* from = products + p * WIDTH * count + t * panel_width(p, channels) + c % WIDTH;
            both_ways<N, M>(TRANSFORM(output), [&](int r, int s) { return load(from + (r * N + s) * element); },
                            [&](int r, int s, Vector v) { store(places[r][s] + c, v); });
        }
    }
}

// Panel p of the transformed weights, element e of input i at to + e·element + width·i, for the convolution itself.
template <int M>
static void forward_weights(const float* weights, long in, long out, long p, float* to, long element) {
    constexpr int N = M + 2;
    long width = panel_width(p, out);
    for (long i = 0; i < in; i += LANES)
        for (long o = 0; o < width; o += LANES) {
            Vector taps[9][LANES];
            for (int tap = 0; tap < 9; tap++) {
                for (int q = 0; q < LANES; q++) taps[tap][q] = load(weights + ((p * WIDTH + o + q) * 9 + tap) * in + i);
                transpose(taps[tap]);
            }
            for (int q = 0; q < LANES; q++)
                both_ways<3, N>(TRANSFORM(kernel), [&](int r, int s) { return taps[r * 3 + s][q]; },
                                [&](int r, int s, Vector v) { store(to + (r * N + s) * element + (i + q) * width + o, v); });
        }
}
// The same for the gradient with respect to the image: kernels turned by 180°, inputs and outputs exchanged.
template <int M>
static void turned_weights(const float* weights, long in, long out, long p, float* to, long element) {
    constexpr int N = M + 2;
    long width = panel_width(p, out);
    for (long i = 0; i < in; i++)
        for (long o = 0; o < width; o += LANES)
            both_ways<3, N>(TRANSFORM(kernel),
                            [&](int r, int s) { return load(weights + (i * 9 + 8 - r * 3 - s) * out + p * WIDTH + o); },
                            [&](int r, int s, Vector v) { store(to + (r * N + s) * element + i * width + o, v); });
}

// Into how many groups threads divide the columns of a packed factor, so that each group's share stays in the cache; the
// threads of one group divide the rows.
static long column_groups(long inner, long columns, long threads) {
    for (long groups = 1; groups < threads; groups++)
        if (threads % groups == 0 && inner * parts(columns, groups) <= CACHE) return groups;
    return threads;
}

// Images and weights to images; `turned` for the gradient with respect to the images.
template <int M>
static bool convolve(const float* source, const Plane& from, const float* weights, float* sink, const Plane& to,
                     long images, long padding, bool turned, long threads) {
    constexpr int N = M + 2, ELEMENTS = N * N;
    const long in = from.channels, out = to.channels, panels = parts(out, WIDTH);
    const Tiles tiles{images, parts(to.height, M), parts(to.width, M)};
    const long column_shares = column_groups(ELEMENTS * in, out, threads), row_shares = threads / column_shares;
    const long share = parts(panels, column_shares) * WIDTH, tiles_share = parts(tiles.count(), row_shares);
    const long streams = ELEMENTS * in * share > CACHE;  // the weights do not stay in the cache: use each one more often
    long block = std::max(CACHE / (ELEMENTS * (in + share)), streams ? 64L : 2L * ROWS);
    block = std::min(tiles_share, block / ROWS * ROWS);

    const long weights_element = in * panels * WIDTH + LINE, image_element = block * in + LINE;
    const long product_element = block * share + LINE;
    const long own = ELEMENTS * (image_element + product_element) + out;
    float* memory = workspace.of(in + ELEMENTS * weights_element + threads * own);
    if (!memory) return false;
    float *zeros = memory, *transformed = zeros + in, *of_threads = transformed + ELEMENTS * weights_element;
    std::fill_n(zeros, in, 0.f);
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (long p = 0; p < panels; p++)
            (turned ? turned_weights<M> : forward_weights<M>)(weights, in, out, p, transformed + p * WIDTH * in,
                                                              weights_element);
#pragma omp for schedule(static, 1)
        for (long thread = 0; thread < threads; thread++) {
            float *transformed_tiles = of_threads + thread * own, *products = transformed_tiles + ELEMENTS * image_element;
            float* unused = products + ELEMENTS * product_element;
            const long columns = thread % column_shares, rows = thread / column_shares;
            const long first_panel = panels * columns / column_shares, end_panel = panels * (columns + 1) / column_shares;
            const long channels = std::min(out, end_panel * WIDTH) - first_panel * WIDTH;
            const long end = tiles.count() * (rows + 1) / row_shares;
            for (long first = tiles.count() * rows / row_shares; first < end && channels > 0; first += block) {
                const long count = std::min(block, end - first);
                transform_tiles<N, N>(TRANSFORM(image), source, from, tiles, M, padding, 0, in, first, count, zeros,
                                      transformed_tiles, image_element);
                for (long e = 0; e < ELEMENTS; e++)
                    for (long p = first_panel; p < end_panel; p++) {
                        const long width = panel_width(p, out);
                        multiply(count, in, width, transformed_tiles + e * image_element, count * PANEL,
                                 transformed + e * weights_element + p * WIDTH * in,
                                 products + e * product_element + (p - first_panel) * WIDTH * count, width);
                    }
                output_tiles<M>(products, product_element, sink, to, tiles, first_panel * WIDTH, channels, first, count,
                                unused);
            }
        }
    }
    return true;
}

// The gradient with respect to the weights. Threads divide it into rectangles of outputs and inputs, whose sums over all
// tiles stay in the cache; each transforms what it needs itself, so that none waits for another.
template <int M>
static bool weight_gradient(const Layer& layer, const float* images, const float* gradient, float* result, long threads) {
    constexpr int N = M + 2, ELEMENTS = N * N;
    const long in = layer.channels_in, out = layer.channels_out;
    const Plane from{layer.height, layer.width, in}, to{layer.height_out, layer.width_out, out};
    const Tiles tiles{layer.images, parts(to.height, M), parts(to.width, M)};
    // Rectangles: as large as the cache allows, and no fewer than there are threads.
    long rows = std::min(out, 128L), columns = std::min(in, 64L);
    while (parts(out, rows) * parts(in, columns) % threads && (rows > PANEL || columns > WIDTH)) {
        if (rows > PANEL && (rows >= columns || columns <= WIDTH)) rows = parts(rows / 2, PANEL) * PANEL;
        else columns = parts(columns / 2, PANEL) * PANEL;
    }
    const long across = parts(in, columns), rectangles = parts(out, rows) * across;
    long block = std::max(CACHE / (ELEMENTS * (rows + columns)), 32L);
    block = parts(tiles.count(), parts(tiles.count(), block));

    const long image_element = block * columns + LINE, gradient_element = block * rows + LINE;
    const long sum_element = rows * columns + LINE;
    const long own = ELEMENTS * (image_element + gradient_element + sum_element), zero = std::max(in, out);
    float* memory = workspace.of(zero + threads * own);
    if (!memory) return false;
    float *zeros = memory, *of_threads = zeros + zero;
    std::fill_n(zeros, zero, 0.f);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (long thread = 0; thread < threads; thread++) {
        float *transformed = of_threads + thread * own, *transformed_gradient = transformed + ELEMENTS * image_element;
        float* sums = transformed_gradient + ELEMENTS * gradient_element;
        for (long rectangle = thread; rectangle < rectangles; rectangle += threads) {
            const long first_out = rectangle / across * rows, outs = std::min(rows, out - first_out);
            const long first_in = rectangle % across * columns, ins = std::min(columns, in - first_in);
            for (long first = 0; first < tiles.count(); first += block) {
                const long count = std::min(block, tiles.count() - first);
                transform_tiles<N, N>(TRANSFORM(image), images, from, tiles, M, layer.padding_height, first_in, ins, first,
                                      count, zeros, transformed, image_element);
                transform_tiles<M, N>(TRANSFORM(output_gradient), gradient, to, tiles, M, 0, first_out, outs, first, count,
                                      zeros, transformed_gradient, gradient_element);
                for (long e = 0; e < ELEMENTS; e++)
                    for (long c = 0; c < ins; c += WIDTH)
                        for (long k = 0; k < outs; k += PANEL)
                            multiply_transposed(count, std::min(WIDTH, ins - c),
                                                transformed_gradient + e * gradient_element + k * count, PANEL,
                                                transformed + e * image_element + c * count, count * PANEL,
                                                sums + e * sum_element + k * columns + c, columns, first > 0);
            }
            for (long k = 0; k < outs; k++)
                for (long c = 0; c < ins; c += LANES) {
                    const float* sum = sums + k * columns + c;
                    float* target = result + (first_out + k) * 9 * in + first_in + c;
                    both_ways<N, 3>(TRANSFORM(kernel_gradient),
                                    [&](int r, int s) { return load(sum + (r * N + s) * sum_element); },
                                    [&](int r, int s, Vector v) { store(target + (r * 3 + s) * in, v); });
                }
        }
    }
    return true;
}

// ------------------------------------------------------------------------------------------------ gathered products
//
// Any kernel and stride: for each output pixel the inputs under the kernel's taps are gathered into a row, and rows are
// multiplied by the weights. Taps that meet nothing but padding are left out: of a 3×3 kernel on a 1×1 image, 8 of 9.

// One dimension of such a product: output i lies at first + i·step, and tap t reads the input at i·stride + offset[t].
struct Axis {
    static constexpr int MOST = 8;
    long first, step, count, stride, taps = 0;
    long kernel[MOST], offset[MOST];

    void add(long tap, long distance, long size) {
        for (long i = 0; i < count; i++)
            if (i * stride + distance >= 0 && i * stride + distance < size) {
                kernel[taps] = tap;
                offset[taps++] = distance;
                return;
            }
    }
};
static Axis forward_axis(long size, long size_out, long kernel, long stride, long padding) {
    Axis axis{0, 1, size_out, stride, 0, {}, {}};
    for (long tap = 0; tap < kernel; tap++) axis.add(tap, tap - padding, size);
    return axis;
}
// Of the gradient with respect to the image: those pixels whose remainder by the stride is `phase`, which meet the same
// taps, so that each is a sum over the output's gradients and none is added to twice.
static Axis gradient_axis(long size, long size_out, long kernel, long stride, long padding, long phase) {
    Axis axis{phase, stride, size > phase ? parts(size - phase, stride) : 0, 1, 0, {}, {}};
    for (long tap = 0; tap < kernel; tap++)
        if ((phase + padding - tap) % stride == 0) axis.add(tap, (phase + padding - tap) / stride, size_out);
    return axis;
}

struct Gathering {
    Axis vertical, horizontal;
    long taps() const { return vertical.taps * horizontal.taps; }
    long pixels() const { return vertical.count * horizontal.count; }
};

// Rows of so many columns as panels of 16.
static void as_panels(const float* rows, long count, long columns, float* to) {
    for (long row = 0; row < count; row++)
        for (long c = 0; c < columns; c += LANES)
            store(to + c / PANEL * PANEL * count + row * PANEL + c % PANEL, load(rows + row * columns + c));
}

// Channels [channel, channel + channels) of one tap for `count` rows from `first` on, as panels of 16.
static void gather(const float* images, const Plane& plane, const Gathering& g, long tap, long channel, long channels,
                   long first, long count, float* to) {
    const Axis &v = g.vertical, &h = g.horizontal;
    const long dy = v.offset[tap / h.taps], dx = h.offset[tap % h.taps];
    for (long row = 0; row < count; row++) {
        const long pixel = first + row, i = pixel / h.count % v.count, j = pixel % h.count, n = pixel / g.pixels();
        const long y = i * v.stride + dy, x = j * h.stride + dx;
        const bool inside = y >= 0 && y < plane.height && x >= 0 && x < plane.width;
        const float* from = images + ((n * plane.height + y) * plane.width + x) * plane.channels + channel;
        for (long c = 0; c < channels; c += LANES)
            store(to + c / PANEL * PANEL * count + row * PANEL + c % PANEL, inside ? load(from + c) : Vector{});
    }
}

// Panel p of the weights of a gathered product, [tap][input][width]: weights lie as [output][tap][input], or, `turned`,
// as [input][tap][output].
static void pack(const float* weights, const Gathering& g, long kernel_width, long kernel_taps, long in, long out, bool turned,
                 long p, float* to) {
    const long width = panel_width(p, out);
    for (long tap = 0; tap < g.taps(); tap++) {
        const long place =
            g.vertical.kernel[tap / g.horizontal.taps] * kernel_width + g.horizontal.kernel[tap % g.horizontal.taps];
        for (long o = 0; o < width; o += LANES)
            for (long i = 0; i < in; i += LANES) {
                Vector some[LANES];
                for (long q = 0; q < LANES; q++)
                    some[q] = load(turned ? weights + ((i + q) * kernel_taps + place) * out + p * WIDTH + o
                                          : weights + ((p * WIDTH + o + q) * kernel_taps + place) * in + i);
                if (!turned) transpose(some);
                for (long q = 0; q < LANES; q++) store(to + (tap * in + i + q) * width + o, some[q]);
            }
    }
}

// Images and weights to images, each pixel of which is in exactly one of the gatherings.
static bool multiply_gathered(const Gathering* gatherings, long gathering_count, const float* source, const Plane& from,
                              const float* weights, long kernel_height, long kernel_width, bool turned, float* sink,
                              const Plane& to, long images, long threads) {
    const long in = from.channels, out = to.channels, panels = parts(out, WIDTH);
    long most_taps = 0, all_taps = 0;
    for (long g = 0; g < gathering_count; g++) {
        most_taps = std::max(most_taps, gatherings[g].taps());
        all_taps += gatherings[g].taps();
    }
    const long inner = std::max(1L, most_taps * in), column_shares = column_groups(inner, out, threads);
    const long row_shares = threads / column_shares, share = parts(panels, column_shares) * WIDTH;
    const long most = std::max(CACHE / 2 / (inner + share), 2L * ROWS);
    const long own = most * (inner + share);
    float* memory = workspace.of(all_taps * in * panels * WIDTH + threads * own);
    if (!memory) return false;
    float* of_threads = memory + all_taps * in * panels * WIDTH;
#pragma omp parallel num_threads(threads)
    {
        float* packed = memory;
        for (long g = 0; g < gathering_count; g++) {
#pragma omp for schedule(static) nowait
            for (long p = 0; p < panels; p++)
                pack(weights, gatherings[g], kernel_width, kernel_height * kernel_width, in, out, turned, p,
                     packed + p * WIDTH * gatherings[g].taps() * in);
            packed += gatherings[g].taps() * in * panels * WIDTH;
        }
#pragma omp barrier
#pragma omp for schedule(static, 1)
        for (long thread = 0; thread < threads; thread++) {
            float *rows = of_threads + thread * own, *results = rows + most * inner;
            const long columns = thread % column_shares, row_share = thread / column_shares;
            const long first_panel = panels * columns / column_shares, end_panel = panels * (columns + 1) / column_shares;
            const long channels = std::min(out, end_panel * WIDTH) - first_panel * WIDTH;
            const float* factor = memory;
            for (long number = 0; number < gathering_count; number++) {
                const Gathering& g = gatherings[number];
                const long length = g.taps() * in, all = images * g.pixels(), end = all * (row_share + 1) / row_shares;
                for (long first = all * row_share / row_shares; first < end && channels > 0; first += most) {
                    const long count = std::min(most, end - first);
                    for (long tap = 0; tap < g.taps(); tap++)
                        gather(source, from, g, tap, 0, in, first, count, rows + tap * in * count);
                    for (long p = first_panel; p < end_panel; p++)
                        multiply(count, length, panel_width(p, out), rows, count * PANEL, factor + p * WIDTH * length,
                                 results + (p - first_panel) * WIDTH, share);
                    for (long row = 0; row < count; row++) {
                        const long pixel = first + row, i = pixel / g.horizontal.count % g.vertical.count;
                        const long y = g.vertical.first + i * g.vertical.step, n = pixel / g.pixels();
                        const long x = g.horizontal.first + pixel % g.horizontal.count * g.horizontal.step;
                        memcpy(sink + ((n * to.height + y) * to.width + x) * out + first_panel * WIDTH,
                               results + row * share, channels * sizeof(float));
                    }
                }
                factor += length * panels * WIDTH;
            }
        }
    }
    return true;
}

// The gradient with respect to the weights. Threads divide its columns, 16 inputs of one tap each.
static bool gathered_weight_gradient(const Layer& l, const float* images, const float* gradient, float* result,
                                     long threads) {
    constexpr long MOST_ROWS = 128, MOST_UNITS = 8;
    const Gathering g{forward_axis(l.height, l.height_out, l.kernel_height, l.stride_height, l.padding_height),
                      forward_axis(l.width, l.width_out, l.kernel_width, l.stride_width, l.padding_width)};
    const Plane from{l.height, l.width, l.channels_in};
    const long in = l.channels_in, out = l.channels_out, kernel_taps = l.kernel_height * l.kernel_width;
    const long per_tap = in / PANEL, units = g.taps() * per_tap, rows = l.images * g.pixels();
    const long own = MOST_ROWS * (MOST_UNITS * PANEL + out);
    float* memory = workspace.of(threads * own);
    if (!memory) return false;
    auto place = [&](long unit) {
        const long tap = unit / per_tap, h = g.horizontal.taps;
        return (g.vertical.kernel[tap / h] * l.kernel_width + g.horizontal.kernel[tap % h]) * in + unit % per_tap * PANEL;
    };
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (long thread = 0; thread < threads; thread++) {
        if (g.taps() < kernel_taps) {
            const long k = out * thread / threads * kernel_taps * in, end = out * (thread + 1) / threads * kernel_taps * in;
            for (long tap = 0; tap < kernel_taps; tap++) {
                bool used = false;
                for (long u = 0; u < units; u += per_tap) used |= place(u) == tap * in;
                for (long at = k + tap * in; !used && at < end; at += kernel_taps * in) std::fill_n(result + at, in, 0.f);
            }
        }
        float *left = memory + thread * own, *right = left + MOST_ROWS * out;
        const long end_unit = units * (thread + 1) / threads;
        for (long first_unit = units * thread / threads; first_unit < end_unit; first_unit += MOST_UNITS)
            for (long first = 0; first < rows; first += MOST_ROWS) {
                const long count = std::min(MOST_ROWS, rows - first), last = std::min(end_unit, first_unit + MOST_UNITS);
                as_panels(gradient + first * out, count, out, left);
                for (long u = first_unit; u < last; u++)
                    gather(images, from, g, u / per_tap, u % per_tap * PANEL, PANEL, first, count,
                           right + (u - first_unit) * PANEL * count);
                for (long u = first_unit, width; u < last; u += width / PANEL) {
                    width = u + 1 < last && (u + 1) % per_tap ? WIDTH : PANEL;  // two units side by side in one tap
                    for (long k = 0; k < out; k += PANEL)
                        multiply_transposed(count, width, left + k * count, PANEL, right + (u - first_unit) * PANEL * count,
                                            count * PANEL, result + k * kernel_taps * in + place(u), kernel_taps * in,
                                            first > 0);
                }
            }
    }
    return true;
}

// ------------------------------------------------------------------------------------------------ shallow images
//
// A network's first convolution has three channels, too few to be taken by the vector. Here a row holds all inputs of an
// output pixel, R·S·C of them, filled up with zeros to a multiple of 16.

static long row_length(const Layer& l) {
    return parts(l.kernel_height * l.kernel_width * l.channels_in, PANEL) * PANEL;
}

// `count` rows from `first` on, as panels of 16; `row` has room for one of them.
static void gather_shallow(const Layer& l, const float* images, long first, long count, float* row, float* to) {
    const long length = row_length(l), channels = l.channels_in, line = l.kernel_width * channels;
    std::fill_n(row, length, 0.f);
    for (long q = 0; q < count; q++) {
        const long pixel = first + q, left = pixel % l.width_out * l.stride_width - l.padding_width;
        const long top = pixel / l.width_out % l.height_out * l.stride_height - l.padding_height;
        const float* image = images + pixel / l.width_out / l.height_out * l.height * l.width * channels;
        const long from = std::max(0L, -left), end = std::max(from, std::min(l.kernel_width, l.width - left));
        for (long r = 0; r < l.kernel_height; r++) {
            float* target = row + r * line;
            const bool inside = top + r >= 0 && top + r < l.height;
            const float* source = image + ((top + r) * l.width + left) * channels;
            for (long c = 0; c < line; c++)
                target[c] = inside && c >= from * channels && c < end * channels ? source[c] : 0.f;
        }
        for (long c = 0; c < length; c += LANES)
            store(to + c / PANEL * PANEL * count + q * PANEL + c % PANEL, load(row + c));
    }
}

static bool shallow_convolution(const Layer& l, const float* images, const float* weights, float* result, long threads) {
    constexpr long MOST_ROWS = 8 * ROWS;
    const long length = row_length(l), used = l.kernel_height * l.kernel_width * l.channels_in, out = l.channels_out;
    const long rows = l.images * l.height_out * l.width_out, own = (MOST_ROWS + 1) * length;
    float* packed = workspace.of((parts(out, WIDTH) + 1) * WIDTH * length + threads * own);
    if (!packed) return false;
    float* of_threads = packed + (parts(out, WIDTH) + 1) * WIDTH * length;  // one panel more, which may be fetched
    for (long k = 0; k < out; k++)
        for (long i = 0; i < length; i++)
            packed[k / WIDTH * WIDTH * length + i * panel_width(k / WIDTH, out) + k % WIDTH] =
                i < used ? weights[k * used + i] : 0.f;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (long thread = 0; thread < threads; thread++) {
        float *gathered = of_threads + thread * own, *row = gathered + MOST_ROWS * length;
        const long end = rows * (thread + 1) / threads;
        for (long first = rows * thread / threads; first < end; first += MOST_ROWS) {
            const long count = std::min(MOST_ROWS, end - first);
            gather_shallow(l, images, first, count, row, gathered);
            for (long k = 0; k < out; k += WIDTH)
                multiply(count, length, panel_width(k / WIDTH, out), gathered, count * PANEL, packed + k * length,
                         result + first * out + k, out);
        }
    }
    return true;
}

// Each thread sums over its own rows; the sums are added in the order of the threads.
static bool shallow_weight_gradient(const Layer& l, const float* images, const float* gradient, float* result,
                                    long threads) {
    constexpr long MOST_ROWS = 128;
    const long length = row_length(l), used = l.kernel_height * l.kernel_width * l.channels_in, out = l.channels_out;
    const long rows = l.images * l.height_out * l.width_out;
    const long own = out * length + MOST_ROWS * (out + length) + length;
    float* of_threads = workspace.of(threads * own);
    if (!of_threads) return false;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static, 1)
        for (long thread = 0; thread < threads; thread++) {
            float *sums = of_threads + thread * own, *left = sums + out * length, *right = left + MOST_ROWS * out;
            float* row = right + MOST_ROWS * length;
            std::fill_n(sums, out * length, 0.f);
            const long end = rows * (thread + 1) / threads;
            for (long first = rows * thread / threads; first < end; first += MOST_ROWS) {
                const long count = std::min(MOST_ROWS, end - first);
                as_panels(gradient + first * out, count, out, left);
                gather_shallow(l, images, first, count, row, right);
                for (long c = 0; c < length; c += WIDTH)
                    for (long k = 0; k < out; k += PANEL)
                        multiply_transposed(count, std::min(WIDTH, length - c), left + k * count, PANEL, right + c * count,
                                            count * PANEL, sums + k * length + c, length, true);
            }
        }
#pragma omp for schedule(static)
        for (long k = 0; k < out; k++)
            for (long i = 0; i < used; i++) {
                float sum = 0;
                for (long thread = 0; thread < threads; thread++) sum += of_threads[thread * own + k * length + i];
                result[k * used + i] = sum;
            }
    }
    return true;
}

// ------------------------------------------------------------------------------------------------ max-pooling

// For every output pixel of an image: `visit(where, top, bottom, left, right)`, where it begins and the part of its window
// that lies in the image.
template <class Visit> static INLINE void windows(const Layer& l, Visit visit) {
    for (long i = 0; i < l.height_out; i++)
        for (long j = 0; j < l.width_out; j++) {
            const long top = i * l.stride_height - l.padding_height, left = j * l.stride_width - l.padding_width;
            visit((i * l.width_out + j) * l.channels_out, std::max(0L, top), std::min(l.height, top + l.kernel_height),
                  std::max(0L, left), std::min(l.width, left + l.kernel_width));
        }
}

// ------------------------------------------------------------------------------------------------ batch normalisation
//
// y = max(0, (x − mean) / √(variance + ε) · weight + bias + residual), the maximum and the residual where wanted. Sums are
// taken in float32 over at most 64 rows and then in float64.

struct Rows {
    int64_t count, channels;
};
constexpr long SUMMED = 64;

static INLINE Vector rectified(Vector x) { return x < 0 ? Vector{} : x; }                // as torch's, NaN stays
static INLINE Vector passed(Vector gradient, Vector y) { return y <= 0 ? Vector{} : gradient; }

// The rows of thread `thread`, `SUMMED` at a time.
template <class Block> static INLINE void in_blocks(long rows, long thread, long threads, Block block) {
    const long end = rows * (thread + 1) / threads;
    for (long first = rows * thread / threads; first < end; first += SUMMED) block(first, std::min(end, first + SUMMED));
}

// Two sums over rows, for each channel: `terms(row, channel, first, second)` adds one vector to each. Thread t leaves
// them at sums + 2·channels·t.
template <class Terms> static INLINE void column_sums(Rows rows, long thread, long threads, double* sums, Terms terms) {
    double* own = sums + 2 * rows.channels * thread;
    std::fill_n(own, 2 * rows.channels, 0.);
    in_blocks(rows.count, thread, threads, [&](long first, long end) {
        for (long c = 0; c < rows.channels; c += PANEL) {
            float sum[2][PANEL];
            for (long v = 0; v < PANEL; v += LANES) {
                Vector a{}, b{};
                for (long r = first; r < end; r++) terms(r, c + v, a, b);
                store(sum[0] + v, a);
                store(sum[1] + v, b);
            }
            for (long q = 0; q < PANEL; q++) {
                own[c + q] += sum[0][q];
                own[rows.channels + c + q] += sum[1][q];
            }
        }
    });
}
static void total(const double* sums, long channels, long c, long threads, double& first, double& second) {
    first = second = 0;
    for (long t = 0; t < threads; t++) {
        first += sums[2 * channels * t + c];
        second += sums[2 * channels * t + channels + c];
    }
}

extern "C" {
// Mean and 1 / √(variance + ε) of every channel, from the rows themselves; running statistics follow if there are any.
int batch_statistics(const Rows* rows, const float* x, float* running_mean, float* running_variance, float momentum,
                     float epsilon, float* mean, float* inverse_deviation, int threads) {
    const long channels = rows->channels;
    double* sums = (double*)workspace.of(4 * channels * threads);
    if (!sums) return false;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static, 1)
        for (long thread = 0; thread < threads; thread++)
            column_sums(*rows, thread, threads, sums, [&](long r, long c, Vector& a, Vector& b) {
                Vector d = load(x + r * channels + c) - load(x + c);  // from the first row: no cancellation of large means
                a += d;
                b += d * d;
            });
#pragma omp for schedule(static)
        for (long c = 0; c < channels; c++) {
            double sum, squares;
            total(sums, channels, c, threads, sum, squares);
            const double n = rows->count, shift = sum / n, variance = std::max(0., squares / n - shift * shift);
            mean[c] = x[c] + shift;
            inverse_deviation[c] = 1 / std::sqrt(variance + epsilon);
            if (running_mean) {
                running_mean[c] += momentum * (mean[c] - running_mean[c]);
                running_variance[c] += momentum * (variance * n / (n - 1) - running_variance[c]);
            }
        }
    }
    return true;
}

// y from x and the statistics; `residual` may be null.
int normalise(const Rows* rows, const float* x, const float* residual, const float* weight, const float* bias,
              const float* mean, const float* inverse_deviation, int rectify, float* y, int threads) {
    const long channels = rows->channels;
    float *scale = workspace.of(2 * channels), *shift = scale + channels;
    if (!scale) return false;
    for (long c = 0; c < channels; c++) {
        scale[c] = weight[c] * inverse_deviation[c];
        shift[c] = bias[c] - mean[c] * scale[c];
    }
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (long thread = 0; thread < threads; thread++)
        in_blocks(rows->count, thread, threads, [&](long first, long end) {
            for (long r = first; r < end; r++)
                for (long c = 0; c < channels; c += LANES) {
                    Vector v = load(x + r * channels + c) * load(scale + c) + load(shift + c);
                    if (residual) v += load(residual + r * channels + c);
                    store(y + r * channels + c, rectify ? rectified(v) : v);
                }
        });
    return true;
}

// The gradients of `normalise`; of the statistics as well, where they are the rows' own (`training`). `y` is null where
// nothing was rectified, `residual_gradient` where there was no residual, or none is wanted.
int normalise_gradient(const Rows* rows, const float* gradient, const float* x, const float* y, const float* weight,
                       const float* mean, const float* inverse_deviation, int training, float* x_gradient,
                       float* residual_gradient, float* weight_gradient, float* bias_gradient, int threads) {
    const long channels = rows->channels;
    double* sums = (double*)workspace.of(4 * channels * threads + 3 * channels);
    if (!sums) return false;
    float *scale = (float*)(sums + 2 * channels * threads), *slope = scale + channels, *shift = slope + channels;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static, 1)
        for (long thread = 0; thread < threads; thread++)
            column_sums(*rows, thread, threads, sums, [&](long r, long c, Vector& a, Vector& b) {
                const long at = r * channels + c;
                Vector g = load(gradient + at);
                if (y) g = passed(g, load(y + at));
                if (residual_gradient) store(residual_gradient + at, g);
                a += g;
                b += g * (load(x + at) - load(mean + c));
            });
#pragma omp for schedule(static)
        for (long c = 0; c < channels; c++) {
            double sum, product;
            total(sums, channels, c, threads, sum, product);
            const double inverse = inverse_deviation[c], n = rows->count;
            bias_gradient[c] = sum;
            weight_gradient[c] = product * inverse;
            scale[c] = weight[c] * inverse;
            slope[c] = training ? -weight[c] * inverse * inverse * inverse * product / n : 0;
            shift[c] = training ? -weight[c] * inverse * sum / n : 0;
        }
#pragma omp for schedule(static, 1)
        for (long thread = 0; thread < threads; thread++)
            in_blocks(x_gradient ? rows->count : 0, thread, threads, [&](long first, long end) {
                for (long r = first; r < end; r++)
                    for (long c = 0; c < channels; c += LANES) {
                        const long at = r * channels + c;
                        Vector g = load((residual_gradient ? residual_gradient : gradient) + at);
                        if (y && !residual_gradient) g = passed(g, load(y + at));
                        store(x_gradient + at, g * load(scale + c) + load(slope + c) * (load(x + at) - load(mean + c)) +
                                                   load(shift + c));
                    }
            });
    }
    return true;
}

int winograd_forward(const Layer* l, int tile, const float* images, const float* weights, float* result, int threads) {
    const Plane from{l->height, l->width, l->channels_in}, to{l->height_out, l->width_out, l->channels_out};
    return (tile == 4 ? convolve<4> : convolve<2>)(images, from, weights, result, to, l->images, l->padding_height, false,
                                                   threads);
}
int winograd_image_gradient(const Layer* l, int tile, const float* gradient, const float* weights, float* result,
                            int threads) {
    const Plane from{l->height_out, l->width_out, l->channels_out}, to{l->height, l->width, l->channels_in};
    return (tile == 4 ? convolve<4> : convolve<2>)(gradient, from, weights, result, to, l->images,
                                                   2 - l->padding_height, true, threads);
}
int winograd_weight_gradient(const Layer* l, int tile, const float* images, const float* gradient, float* result,
                             int threads) {
    return (tile == 4 ? weight_gradient<4> : weight_gradient<2>)(*l, images, gradient, result, threads);
}

int shallow_forward(const Layer* l, const float* images, const float* weights, float* result, int threads) {
    return shallow_convolution(*l, images, weights, result, threads);
}
int shallow_weight_gradient(const Layer* l, const float* images, const float* gradient, float* result, int threads) {
    return shallow_weight_gradient(*l, images, gradient, result, threads);
}
int max_pool(const Layer* l, const float* images, float* result, int threads) {
    const long channels = l->channels_in, image_size = l->height * l->width * channels;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long n = 0; n < l->images; n++) {
        const float* image = images + n * image_size;
        float* output = result + n * l->height_out * l->width_out * channels;
        windows(*l, [&](long at, long top, long bottom, long left, long right) {
            for (long c = 0; c < channels; c += LANES) {
                Vector most = load(image + (top * l->width + left) * channels + c);
                for (long y = top; y < bottom; y++)
                    for (long x = left; x < right; x++) {
                        Vector value = load(image + (y * l->width + x) * channels + c);
                        most = (value > most) | (value != value) ? value : most;  // as torch's, NaN wins
                    }
                store(output + at + c, most);
            }
        });
    }
    return true;
}
// A window's gradient goes to the first of its largest values.
int max_pool_gradient(const Layer* l, const float* gradient, const float* images, const float* result,
                      float* image_gradient, int threads) {
    const long channels = l->channels_in, image_size = l->height * l->width * channels;
    const long result_size = l->height_out * l->width_out * channels;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long n = 0; n < l->images; n++) {
        const float* image = images + n * image_size;
        float* target = image_gradient + n * image_size;
        std::fill_n(target, image_size, 0.f);
        windows(*l, [&](long at, long top, long bottom, long left, long right) {
            for (long c = 0; c < channels; c += LANES) {
                const Vector most = load(result + n * result_size + at + c);
                Vector rest = load(gradient + n * result_size + at + c);
                for (long y = top; y < bottom; y++)
                    for (long x = left; x < right; x++) {
                        const long pixel = (y * l->width + x) * channels + c;
                        const auto smaller = load(image + pixel) < most;
                        store(target + pixel, load(target + pixel) + (smaller ? Vector{} : rest));
                        rest = smaller ? rest : Vector{};
                    }
            }
        });
    }
    return true;
}
int gathered_forward(const Layer* l, const float* images, const float* weights, float* result, int threads) {
    const Gathering g{forward_axis(l->height, l->height_out, l->kernel_height, l->stride_height, l->padding_height),
                      forward_axis(l->width, l->width_out, l->kernel_width, l->stride_width, l->padding_width)};
    return multiply_gathered(&g, 1, images, {l->height, l->width, l->channels_in}, weights, l->kernel_height,
                             l->kernel_width, false, result, {l->height_out, l->width_out, l->channels_out}, l->images,
                             threads);
}
int gathered_image_gradient(const Layer* l, const float* gradient, const float* weights, float* result, int threads) {
    Gathering phases[Axis::MOST * Axis::MOST];
    long count = 0;
    for (long v = 0; v < l->stride_height; v++)
        for (long h = 0; h < l->stride_width; h++)
            phases[count++] = {
                gradient_axis(l->height, l->height_out, l->kernel_height, l->stride_height, l->padding_height, v),
                gradient_axis(l->width, l->width_out, l->kernel_width, l->stride_width, l->padding_width, h)};
    return multiply_gathered(phases, count, gradient, {l->height_out, l->width_out, l->channels_out}, weights,
                             l->kernel_height, l->kernel_width, true, result, {l->height, l->width, l->channels_in},
                             l->images, threads);
}
int gathered_weight_gradient(const Layer* l, const float* images, const float* gradient, float* result, int threads) {
    return gathered_weight_gradient(*l, images, gradient, result, threads);
}

// Give the calling thread's memory back.
void release() { workspace.release(); }
}
