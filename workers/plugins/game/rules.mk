# The game speaks the protocol of shared/wire.h: the one header beside the SDK that a plugin of this tree may see.
PLUGIN_CPPFLAGS_game := -Ishared
