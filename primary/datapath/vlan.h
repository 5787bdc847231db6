/* VLAN tags. Inside the data path a tag stands beside its frame, never in it, so that every stage finds IPv4 behind 14
 * bytes: a device that takes tags off does so in hardware, for others classify.c does it. It is put on again last. */
#ifndef BATON_PRIMARY_VLAN_H
#define BATON_PRIMARY_VLAN_H

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <assert.h>
#include <string.h>

#include "port.h"

#define VLAN_TAG       4u /* bytes in the frame */
#define VLAN_ADDRESSES (2u * RTE_ETHER_ADDR_LEN) /* bytes of the frame in front of the tag */

/* The device has put the tag into vlan_tci: RX_VLAN alone says that vlan_tci is known, the frame may have it too. */
#define VLAN_STRIPPED (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED)

/* Any of the types that a tag has, of customers or of providers (802.1ad, and its forerunners). Host byte order. */
static inline bool vlan_is_tag_type(uint16_t type)
{
	return type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ || type == RTE_ETHER_TYPE_QINQ1 ||
	       type == RTE_ETHER_TYPE_QINQ2 || type == RTE_ETHER_TYPE_QINQ3;
}

/* Takes the tag out of a frame of at least 18 bytes. Returns its control information: priority and identifier. */
static inline uint16_t vlan_take_off(struct rte_mbuf *mbuf)
{
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	uint16_t tci = (uint16_t)(frame[VLAN_ADDRESSES + 2] << 8 | frame[VLAN_ADDRESSES + 3]);

	memmove(frame + VLAN_TAG, frame, VLAN_ADDRESSES);
	rte_pktmbuf_adj(mbuf, VLAN_TAG);
	return tci;
}

/* Puts a tag on a frame that is otherwise ready to leave by the port: ol_flags and l2_len are set. There is room: where
 * the tag stood that was taken off, or the headroom of every buffer. */
static inline void vlan_put_on(const struct port *port, struct rte_mbuf *mbuf, uint16_t tci)
{
	if (port->tx_vlan) {
		mbuf->vlan_tci = tci;
		mbuf->ol_flags |= RTE_MBUF_F_TX_VLAN;
		return;
	}
	uint8_t *frame = (uint8_t *)rte_pktmbuf_prepend(mbuf, VLAN_TAG);

	assert(frame != NULL);
	memmove(frame, frame + VLAN_TAG, VLAN_ADDRESSES);
	frame[VLAN_ADDRESSES] = RTE_ETHER_TYPE_VLAN >> 8;
	frame[VLAN_ADDRESSES + 1] = RTE_ETHER_TYPE_VLAN & 0xff;
	frame[VLAN_ADDRESSES + 2] = (uint8_t)(tci >> 8);
	frame[VLAN_ADDRESSES + 3] = (uint8_t)tci;
	mbuf->l2_len += VLAN_TAG;
}

#endif
