#include "tools/cli/commands.h"

int main(int argc, char** argv) { return crossfade::cli::Main(argc, argv); }
