# The game speaks the protocol of shared/wire.h, and `make sabotage` breaks its rules (shared/sabotage.h): the two headers
# beside the SDK that a plugin of this tree may see.
PLUGIN_CPPFLAGS_game := -Ishared
