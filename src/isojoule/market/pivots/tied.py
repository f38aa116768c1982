"""draft"""
from __future__ import annotations
import math
import numpy as np
from isojoule.grid.formulation import network_of
from isojoule.kernels.incidence import grouped, incidence, walk
from isojoule.kernels.ties import Clusters, Mesh, Region, Stand, factored, respond, settle
from isojoule.kernels.taken_out import Asked, taken_out
from isojoule.market.allocation import columns_of, reach_of

STIFF=1e5; LEAST=1e-5; OFF=1e-14

class Tied:
    def __init__(self, network, solved, owner_of_offer, owner_of_link, reach_j, stiff=STIFF):
        n,c=network,solved.columns
        pattern=n.pattern
        place=pattern.place
        tail,head=place[n.tail],place[n.head]
        start,incident=incidence(n.nodes,tail,head)
        first,order=grouped(place[c.node],n.nodes)
        p=c.pieces
        width=p.hi-p.lo
        some=(width>0)&np.isfinite(width)
        energy=float(np.median(width[some])) if some.any() else 1.0
        worth=(np.abs(p.a)+p.b)[width>0]
        money=float(np.median(worth[worth>0])) if (worth>0).any() else 1.0
        unit=energy/money
        links=n.tail.size
        party=np.full(solved.offer_x.size,-1,np.int64); party[:owner_of_offer.size]=owner_of_offer
        self.m=m=Mesh(tail,head,n.gain,n.limits.loss_per_j,n.price,owner_of_link[:links].copy(),start,incident,first,
            p.a[order],p.b[order],p.c0[order],p.c1[order],p.k[order],party[c.offer][order],pattern.l_start,pattern.l_rows,
            stiff*unit,LEAST*unit,min(reach_j,float(-p.lo.sum())),OFF*stiff*energy)
        price=np.empty(n.nodes); price[place]=solved.price
        z=np.zeros
        s=Stand(price,z(n.nodes),n.capacity_j.copy(),solved.flow.copy(),solved.flow.copy(),p.lo[order],p.hi[order],solved.x[order],solved.x[order].copy(),
            z(links),z(links),z(links),z(n.nodes),z(n.nodes),z(pattern.l_rows.size),np.ones(n.nodes))
        every=np.arange(n.nodes)
        everyone=Clusters(every,np.append(every,n.nodes),every)
        region=Region(np.array([n.nodes,links,0]),every.copy(),np.arange(links),z(n.nodes,np.int64),np.ones(n.nodes,bool),np.ones(links,bool),z(n.nodes,bool),z(n.nodes),z(n.nodes))
        respond(m,s,solved.flow,everyone,region)
        factored(m,s,pattern)
        self.loose,self.lack=settle(m,s,solved.flow,everyone,region,1e-15*float(np.abs(solved.x*solved.price[c.node]).sum()))
        factored(m,s,pattern)
        part=walk(tail,head,start,incident,s.weight>0)[0]
        f,mem=grouped(part,int(part.max())+1)
        self.clusters=Clusters(part,f,mem)
        self.base=s
        self.order=order
        self.node=place[c.node][order]
        self.work=Stand(*(q.copy() for q in s))
        self.region=Region(z(3,np.int64),z(n.nodes,np.int64),z(links,np.int64),z(n.nodes,np.int64),z(n.nodes,bool),z(links,bool),z(n.nodes,bool),z(n.nodes),z(n.nodes))
    def asked(self,numbers,count):
        fp,op=grouped(self.m.party+1,count+1); fl,ol=grouped(self.m.owner+1,count+1)
        P=[op[fp[i+1]:fp[i+2]] for i in numbers]; L=[ol[fl[i+1]:fl[i+2]] for i in numbers]
        cat=lambda q: np.concatenate([*q,np.zeros(0,np.int64)])
        cum=lambda q: np.concatenate([[0],np.cumsum([len(a) for a in q])]).astype(np.int64)
        return Asked(cum(P),cat(P),self.node[cat(P)],cum(L),cat(L))
    def run(self,numbers,count):
        return taken_out(self.m,self.base,self.work,self.clusters,self.region,self.asked(numbers,count),1e-10,1e-10)
