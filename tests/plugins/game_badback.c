/* The game of schema 3 whose down-conversion crashes on one player's record, as a bug of a candidate's would. */
#define POISONED_PLAYER 666u
#include "game_schema3.c"
