// SPDX-License-Identifier: Apache-2.0
// A program on libllama's C API that does what llama.cpp's own programs do, in a form that a test can read and repeat:
//   driver greedy MODEL TOKENS PROMPT      a line for each token: its id, and how far its logit is above the next
//   driver logits MODEL TOKENS TEXT OUT PIECE [plain]   the logits after each token of a text, as floats, PIECE tokens a time;
//                                          plain: weights are not repacked; prints the resident KiB at the end
//   driver answers MODEL CARD              a line for each question of a card.jsonl: the greedy answer of a chat
//   driver soak MODEL TOKENS               two contexts at once, TOKENS in all; resident KiB after each twentieth
//   driver reload MODEL TIMES              load, a prompt, ten tokens, unload; resident KiB after each
#include "ggml-backend.h"
#include "llama.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

static const int CONTEXT = 512;

static long resident() {
    long pages = 0;
    if (FILE * file = std::fopen("/proc/self/statm", "r")) {
        if (std::fscanf(file, "%*s %ld", &pages) != 1) {
            pages = 0;
        }
        std::fclose(file);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int threads() {
    const char * said = std::getenv("LLAMA_ARG_THREADS");
    return said ? std::atoi(said) : 1;
}

static llama_model * load(const char * file, bool repacked = true) {
    llama_model_params params = llama_model_default_params();
    params.use_extra_bufts = repacked;
    llama_model * model = llama_model_load_from_file(file, params);
    if (!model) {
        std::fprintf(stderr, "driver: cannot load %s\n", file);
        std::exit(2);
    }
    return model;
}

static llama_context * open(llama_model * model) {
    llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = CONTEXT;
    params.n_threads = params.n_threads_batch = threads();
    llama_context * context = llama_init_from_model(model, params);
    if (!context) {
        std::fprintf(stderr, "driver: no context\n");
        std::exit(2);
    }
    return context;
}

static std::vector<llama_token> tokens_of(const llama_model * model, const std::string & text) {
    const llama_vocab *      vocab = llama_model_get_vocab(model);
    std::vector<llama_token> made(4 * text.size() + 8);    // a space may be three bytes, a token each
    const int count = llama_tokenize(vocab, text.c_str(), (int) text.size(), made.data(), (int) made.size(), true, true);
    made.resize(std::max(count, 0));
    return made;
}

struct choice {
    llama_token token;
    float       margin;
};

static choice best(llama_context * context, const llama_vocab * vocab) {
    const float * logits = llama_get_logits_ith(context, -1);
    choice        made   = { 0, 0 };
    float         second = -1e30f;
    for (int i = 1; i < llama_vocab_n_tokens(vocab); i++) {
        if (logits[i] > logits[made.token]) {
            second     = logits[made.token];
            made.token = i;
        } else if (logits[i] > second) {
            second = logits[i];
        }
    }
    made.margin = logits[made.token] - second;
    return made;
}

static void decode(llama_context * context, std::vector<llama_token> tokens) {
    if (llama_decode(context, llama_batch_get_one(tokens.data(), (int) tokens.size()))) {
        std::fprintf(stderr, "driver: decode failed\n");
        std::exit(3);
    }
}

// `count` greedy tokens after a prompt; the cache is emptied first.
static std::vector<choice> generate(llama_model * model, llama_context * context, const std::vector<llama_token> & prompt, int count, bool to_end) {
    const llama_vocab * vocab = llama_model_get_vocab(model);
    std::vector<choice> made;
    llama_memory_clear(llama_get_memory(context), true);
    decode(context, prompt);
    while ((int) made.size() < count) {
        made.push_back(best(context, vocab));
        if (to_end && llama_vocab_is_eog(vocab, made.back().token)) {
            made.pop_back();
            break;
        }
        decode(context, { made.back().token });
    }
    return made;
}

static std::string text_of(const llama_model * model, const std::vector<choice> & tokens) {
    std::string text;
    char        piece[256];
    for (const choice & one : tokens) {
        const int size = llama_token_to_piece(llama_model_get_vocab(model), one.token, piece, sizeof piece, 0, true);
        text.append(piece, std::max(size, 0));
    }
    return text;
}

static void greedy(const char * file, int count, const char * prompt) {
    llama_model *   model   = load(file);
    llama_context * context = open(model);
    for (const choice & one : generate(model, context, tokens_of(model, prompt), count, false)) {
        std::printf("%d %.6f\n", one.token, one.margin);
    }
    llama_free(context);
    llama_model_free(model);
}

static std::string read(const char * file) {
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
}

static void logits(const char * file, int count, const char * text, const char * into, int piece, bool repacked) {
    llama_model *   model   = load(file, repacked);
    llama_context * context = open(model);
    const size_t    width   = llama_vocab_n_tokens(llama_model_get_vocab(model)) * sizeof(float);
    FILE *          out     = std::fopen(into, "wb");
    std::vector<llama_token> tokens = tokens_of(model, read(text));
    if ((int) tokens.size() < count) {
        std::fprintf(stderr, "driver: %s has %zu tokens\n", text, tokens.size());
        std::exit(2);
    }
    tokens.resize(count);
    for (int first = 0; out && first < (int) tokens.size(); first += piece) {
        const int   n     = std::min(piece, (int) tokens.size() - first);
        llama_batch batch = llama_batch_init(n, 0, 1);
        batch.n_tokens    = n;
        for (int i = 0; i < n; i++) {
            batch.token[i]     = tokens[first + i];
            batch.pos[i]       = first + i;
            batch.n_seq_id[i]  = 1;
            batch.seq_id[i][0] = 0;
            batch.logits[i]    = 1;
        }
        if (llama_decode(context, batch)) {
            std::fprintf(stderr, "driver: decode failed\n");
            std::exit(3);
        }
        for (int i = 0; i < n; i++) {
            std::fwrite(llama_get_logits_ith(context, i), 1, width, out);
        }
        llama_batch_free(batch);
    }
    if (!out || std::fclose(out)) {
        std::fprintf(stderr, "driver: cannot write %s\n", into);
        std::exit(2);
    }
    std::printf("%ld\n", resident());
    llama_free(context);
    llama_model_free(model);
}

// The "q" of a line of our own card.jsonl: no escapes in it.
static std::string question(const std::string & line) {
    const size_t from = line.find("\"q\": \"") + 6;
    return line.substr(from, line.find('"', from) - from);
}

static void answers(const char * file, const char * card) {
    llama_model *   model   = load(file);
    llama_context * context = open(model);
    std::ifstream   lines(card);
    for (std::string line; std::getline(lines, line);) {
        const std::string asked = "Question: " + question(line) + "\nAnswer:";    // the sandbox model's chat template
        std::string       said  = text_of(model, generate(model, context, tokens_of(model, asked), 24, true));
        std::replace(said.begin(), said.end(), '\n', ' ');
        std::printf("%s\n", said.c_str());
    }
    llama_free(context);
    llama_model_free(model);
}

static std::string prompt(int number) {
    std::string text;
    for (int i = 0; i < 12; i++) {
        text += "Leo Bright number " + std::to_string(number + i) + " cooks lentils in March. ";
    }
    return text;
}

static void soak(const char * file, int count) {
    const int     PIECE = 100;
    llama_model * model = load(file);
    std::mutex    lock;
    int           done = 0, told = 0;
    auto work = [&](int seed) {
        llama_context * context = open(model);
        for (int turn = 0;; turn++) {
            {
                std::lock_guard<std::mutex> guard(lock);
                if (done >= count) {
                    break;
                }
                done += PIECE;
                if (done * 20 / count > told) {
                    told = done * 20 / count;
                    std::printf("%ld\n", resident());
                }
            }
            generate(model, context, tokens_of(model, prompt(seed * 100 + turn % 7)), PIECE, false);
        }
        llama_free(context);
    };
    std::thread one(work, 1), two(work, 2);
    one.join();
    two.join();
    llama_model_free(model);
}

static void reload(const char * file, int times) {
    for (int i = 0; i < times; i++) {
        llama_model *   model   = load(file);
        llama_context * context = open(model);
        generate(model, context, tokens_of(model, prompt(i % 3)), 10, false);
        llama_free(context);
        llama_model_free(model);
        std::printf("%ld\n", resident());
    }
}

int main(int argc, char ** argv) {
    if (argc < 4) {
        std::fprintf(stderr, "usage: driver greedy|logits|answers|soak|reload MODEL ...\n");
        return 2;
    }
    if (!std::getenv("DRIVER_LOG")) {
        llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    }
    ggml_backend_load_all();
    llama_backend_init();
    const std::string what = argv[1];
    if (what == "greedy") {
        greedy(argv[2], std::atoi(argv[3]), argc > 4 ? argv[4] : prompt(0).c_str());
    } else if (what == "logits" && argc > 6) {
        logits(argv[2], std::atoi(argv[3]), argv[4], argv[5], std::atoi(argv[6]), argc < 8);
    } else if (what == "answers") {
        answers(argv[2], argv[3]);
    } else if (what == "soak") {
        soak(argv[2], std::atoi(argv[3]));
    } else if (what == "reload") {
        reload(argv[2], std::atoi(argv[3]));
    }
    llama_backend_free();
    return 0;
}
