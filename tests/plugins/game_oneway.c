/* The game of schema 3 without a way back. */
#define ONE_WAY
#include "game_schema3.c"
